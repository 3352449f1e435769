# The root shell of one run. Its standard input carries, in this order and for as long as the line lives:
#   an empty line              a heartbeat
#   large ID                   the files of trip ID are too many for a file system in memory
#   put ID SIZE                SIZE bytes follow; they are appended to the payload of trip ID
#   trip ID archive|script     unpack the payload of ID, a tar.gz or a script.gz, and run its file "main"
#   stop                       start no further step
#   abort SIZE                 a script of SIZE bytes follows; it ends the running step, where there is one
# session.py sets before it: nonce, base (a folder in /run), disk (one on a disk), holder (empty = take no lock),
# patience (seconds), lock_timeout (seconds to wait for the lock).
# Nothing but frames goes to standard output; a frame that cannot be written ends the shell.

: "${nonce:?}" "${base:?}" "${disk:?}" "${patience:?}" "${lock_timeout:?}"

frame() {
	printf '\n@%s %s\n' "$nonce" "$*" || exit 141
}

# Seconds since boot: a clock that nobody sets.
beat() {
	read -r uptime _ </proc/uptime && printf '%s\n' "${uptime%.*}" >"$run/beat"
}

tell_holder() { # VERB
	frame "$1"
	cat "$base/lock"
	frame end
}

take_lock() {
	# 9<> and not 9>: opening must not wipe the name of the holder.
	exec 9<>"$base/lock"
	waited=0
	# The shell of a run that is over may live on for a moment, so that even who does not wait does so for 2 s.
	until flock -w 2 9; do
		if [ "$waited" -ge "$lock_timeout" ]; then
			tell_holder locked
			exit 4
		fi
		[ $((waited % 16)) -ne 0 ] || tell_holder waiting
		waited=$((waited + 2))
	done
	printf '%s\n' "$holder" >"$base/lock"
	# With the lock in hand no step of another run is alive: what is left of them is litter. A step makes a folder that
	# other users can enter, such as the copy that filecontent.py lets them check, beside ours.
	for old in "$base"/run.* "$base"-check.* "$disk"/run.*; do
		[ "$old" = "$run" ] || [ ! -e "$old" ] || rm -rf "$old"
	done
}

# A line that dies silently leaves this shell waiting in read, or in a write to a full pipe, and the lock with it.
watch_line() {
	exec 3<&- 9<&- </dev/null >/dev/null 2>&1
	while sleep "$((patience / 4))" && [ -d "$run" ]; do
		read -r uptime _ </proc/uptime
		read -r last <"$run/beat" || continue
		[ "$((${uptime%.*} - last))" -gt "$patience" ] || continue
		: >"$run/dead"
		# A running step is left to complete: the runner finds the file before the next one.
		[ -e "$run/running" ] && continue
		rm -rf "$run"
		# Whatever of this run still waits is in our process group; steps are not, they have sessions of their own.
		kill -KILL 0
	done
}

leave() {
	[ -z "$watcher" ] || kill "$watcher" 2>/dev/null
	# shellcheck disable=SC2086 # a name of mktemp's, or nothing
	# A step that outlives the line still needs its files.
	[ -e "$run/running" ] || rm -rf "$run" $large
}

drive() {
	umask 077
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root
	cd /
	trap '' PIPE
	watcher='' large=''
	[ -d "$base" ] || mkdir -p "$base" || exit 1
	kind=plan
	[ -z "$holder" ] || kind=run
	run=$(mktemp -d "$base/$kind.XXXXXXXXXX") || exit 1
	trap leave EXIT
	trap 'exit 143' TERM HUP
	exec 3<&0 </dev/null
	beat
	frame session "$run"
	if [ -n "$holder" ]; then
		take_lock
		watch_line &
		watcher=$!
	fi
	while IFS= read -r request <&3; do
		beat
		# shellcheck disable=SC2086 # our own words, never a value of the user's
		set -- $request
		case ${1-} in
		large)
			mkdir -p "$disk" && large=$(mktemp -d "$disk/run.XXXXXXXXXX") && mkdir "$large/$2" || exit 1
			ln -s "$large/$2" "$run/$2"
			ln -s "$large/$2.gz" "$run/$2.gz"
			;;
		put)
			head -c "$3" <&3 >>"$run/$2.gz" || exit 1
			;;
		trip)
			[ -n "$large" ] || mkdir "$run/$2"
			if [ "$3" = archive ]; then
				tar -xzf "$run/$2.gz" -C "$run/$2" || exit 1
			else
				gzip -d <"$run/$2.gz" >"$run/$2/main" || exit 1
			fi
			: >"$run/$2.gz"
			export run nonce parent="$PPID" here="$run/$2"
			# A script that ended early has not sent its last frame; the other side would wait for it for ever.
			sh "$here/main" || exit 1
			# A survey has set it ahead.
			beat
			[ ! -e "$run/dead" ] || exit 1
			# shellcheck disable=SC2086 # a name of mktemp's, or nothing
			rm -rf "${run:?}/$2" "$run/$2.gz" $large
			large=''
			;;
		stop)
			: >"$run/stop"
			;;
		abort)
			# The step it was meant for has ended meanwhile.
			head -c "$2" <&3 >/dev/null || exit 1
			;;
		esac
	done
}

drive
