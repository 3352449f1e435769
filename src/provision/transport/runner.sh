# Runs the steps of an apply, one after the other, and reports each as it goes. script.py appends the calls.
# Set by driver.sh: run (the folder of this shell), here (the folder of this trip), nonce, parent (what started it).
# Beside it lie audit.json, what is recorded of a run, and tasks, in a line for each step the task that it belongs to.

: "${run:?}" "${here:?}" "${nonce:?}" "${parent:?}"

frame() {
	printf '\n@%s %s\n' "$nonce" "$*" || exit 141
}

# During a trip nobody else reads the line: heartbeats and requests are taken here, and its end is seen here.
listen() {
	exec 9<&-
	while IFS= read -r request; do
		read -r uptime _ </proc/uptime && printf '%s\n' "${uptime%.*}" >"$run/beat"
		case $request in
		stop) : >"$run/stop" ;;
		abort*)
			head -c "${request#* }" >"$here/abort.sh" || break
			# Beside the listener: `systemctl stop` may take longer than the patience for heartbeats.
			sh -eu "$here/abort.sh" </dev/null >/dev/null 2>&1 3<&- &
			;;
		esac
	done <&3
	: >"$run/dead"
}

show_output() { # ID LOG
	size=$(stat -c %s "$2") || return 0
	while [ "$size" -gt "$shown" ]; do
		# No frame is longer than the other side takes.
		part=$((size - shown))
		[ "$part" -le 1048576 ] || part=1048576
		frame output "$1"
		tail -c "+$((shown + 1))" "$2" | head -c "$part" || exit 141
		frame end
		shown=$((shown + part))
	done
}

run_step() { # ID TIMEOUT SECRET LAST: yes for the last step of its task
	if [ -e "$run/stop" ]; then
		result=stopped
		finish
	fi
	[ ! -e "$run/dead" ] || exit 1
	frame start "$1"
	log=$here/$1.log shown=0 interval=0.01
	: >"$log"
	: >"$run/running"
	going="$1 $4"
	# The subshell keeps fd 9, so the lock lives as long as the step; only the command itself closes it, or a
	# daemon it starts would keep the lock. Ignored signals are inherited: without --default-signal `yes | head`
	# would run for ever. setsid: no signal of a terminal or of this shell's group reaches a step.
	(
		code=0
		FILES=$here/$1.files HERE=$here env --default-signal=PIPE,INT,QUIT,HUP setsid -w \
			timeout --kill-after 10 "$2" sh -eu "$here/$1.sh" </dev/null >"$log" 2>&1 3<&- 9<&- || code=$?
		printf '%s\n' "$code" >"$here/$1.status.new"
		mv "$here/$1.status.new" "$here/$1.status"
		rm -f "$run/running"
	) &
	while [ ! -e "$here/$1.status" ]; do
		sleep "$interval"
		case $interval in
		0.01) interval=0.02 ;;
		0.02) interval=0.05 ;;
		0.05) interval=0.1 ;;
		0.1) interval=0.2 ;;
		esac
		[ "$3" = yes ] || show_output "$1" "$log"
	done
	wait "$!"
	[ "$3" = yes ] || show_output "$1" "$log"
	account "$1" "$4"
	frame status "$1" "$status"
	[ "$status" -eq 0 ] || finish
}

account() { # ID LAST: what a step that has ended adds to the record
	read -r status <"$here/$1.status"
	going=''
	if [ "$status" -ne 0 ]; then
		result=failed failed=$(sed -n "${1}p" "$here/tasks")
	elif [ "$2" = yes ]; then
		changed=$((changed + 1))
	fi
}

# The address that the login came from. sudo drops the variable; its own process still has it.
origin() {
	from=${SSH_CONNECTION-}
	[ -n "$from" ] || from=$(tr '\0' '\n' <"/proc/$parent/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p')
	from=${from%% *}
	# It goes into JSON as it is.
	case $from in *[!0-9A-Za-z.:%_-]*) from='' ;; esac
}

# Runs that changed something or failed are recorded on the host; a run with nothing to do has no apply.
record() {
	recorded=yes
	audit=/var/log/provision/audit.jsonl
	[ -d "${audit%/*}" ] || mkdir -m 0750 "${audit%/*}"
	origin
	read -r said <"$here/audit.json"
	# Where the power failed in the middle of a line, this one does not become part of it.
	end=$(tail -c 1 "$audit" 2>/dev/null | tr '\0' x)
	printf '%s%s, "from": "%s", "result": "%s", "changed": %s%s}\n' "${end:+$newline}" "${said%\}}" \
		"$from" "$result" "$changed" "$failed" >>"$audit"
	[ "$(wc -l <"$audit")" -gt 2000 ] || return 0
	# Whole or not at all, whatever happens meanwhile.
	if tail -n 1000 "$audit" >"$audit.new" && sync "$audit.new"; then
		mv -fT "$audit.new" "$audit"
	else
		rm -f "$audit.new"
	fi
}

finish() {
	record
	# The listener must be gone before the other side speaks again: it would take the next request for itself.
	kill "$listener"
	wait "$listener" 2>/dev/null
	frame over
	exit 0
}

# A line that is gone ends this shell at its next frame, but not before the running step: driver.sh then tidies up.
# shellcheck disable=SC2317 # the trap calls it
leave_trip() {
	kill "$listener" 2>/dev/null
	wait
	[ -z "$recorded" ] || return 0
	[ "$result" != ok ] || result=lost
	[ -z "$going" ] || account "${going% *}" "${going#* }"
	record
}

result=ok changed=0 failed='' going='' recorded='' newline='
'
cd /
trap '' PIPE
listen &
listener=$!
trap leave_trip EXIT
