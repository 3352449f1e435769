# What `provision doctor` asks a host: lines key=value, in which a key may come again. Nothing is changed.
# Prepended by: PORTS, NAMES (a line each), DIRECTORY and INDEX (URLs, or empty), OWN_ROOT (yes or no), APP (empty where
# there is none), MARK (what a request of ours has in its query); listeners.sh, refusals and refusals_of, and where there
# is an app state.sh.

: "${PORTS?}" "${NAMES?}" "${DIRECTORY?}" "${INDEX?}" "${OWN_ROOT?}" "${APP?}" "${MARK?}"

say() {
	printf '%s\n' "$@"
}

# One line of a program that may hang, and perhaps is not there; a bus or a journal that is ill must not make us so.
ask() {
	timeout --kill-after 1 8 "$@" 2>/dev/null </dev/null
}

look_at_system() {
	(
		# shellcheck source=/dev/null
		. /etc/os-release
		say "system=${PRETTY_NAME-}" "release=${ID-} ${VERSION_ID-}"
	)
	from=${SSH_CONNECTION-}
	[ -n "$from" ] || from=$(tr '\0' '\n' 2>/dev/null <"/proc/${parent:-$PPID}/environ" | sed -n 's/^SSH_CONNECTION=//p')
	say "connection=$from" "own=$(hostname -I 2>/dev/null)"
	say "systemd=$(ask systemctl is-system-running)"
	ask systemctl list-units --state=failed --plain --no-legend --no-pager | sed 's/^\([^ ]*\).*/failed_unit=\1/'
	set -- systemd-timesyncd.service chrony.service chronyd.service ntpsec.service ntp.service openntpd.service
	ask systemctl list-units --state=active --plain --no-legend --no-pager "$@" | sed 's/^\([^ ]*\)\.service.*/ntp=\1/'
	say "container=$(ask systemd-detect-virt --container)"
}

look_at_room() {
	awk -F '[: ]+' '/^(MemTotal|MemAvailable|SwapTotal|SwapFree):/ { print $1 "=" $2 }' /proc/meminfo
	ask journalctl --quiet --dmesg --since -1day --output cat | grep 'ut of memory: Killed process' | tail -n 20 | sed 's/^/oom=/'
	stat --file-system --format='disk=%i %a %b %d %c %S %n' / /var /srv 2>/dev/null
}

look_at_web() {
	# shellcheck disable=SC2086 # ports are words
	listeners $PORTS | sed 's/^/listener=/'
	if [ ! -x /usr/bin/caddy ]; then
		say 'caddy=absent'
		return
	fi
	say "caddy=$(ask systemctl is-active caddy)"
	refused=$(refusals --since -1day -n 20000)
	say "$NAMES" | while read -r name; do
		say "$refused" | refusals_of "$name"
	done
}

# shellcheck disable=SC2046 # the names of units are words
look_at_app() {
	say "app_owner=$(owner)"
	slot=$(active_slot)
	[ -n "$slot" ] || return 0
	unit=app-$NAME@$slot.service
	record=$(record_of "$slot")
	say "workers=$(value "$record/meta" workers)" "memory_per_worker=$(cat "$record/memory_per_worker" 2>/dev/null)"
	for each in "$unit" $(process_units "$slot"); do
		say "app_unit=$(ask systemctl is-active "$each") $(ask systemctl show -P NRestarts "$each") $each"
	done
	say "app_enabled=$(if enabled; then echo yes; else echo no; fi)"
	sed -n 's/^[[:space:]]*trusted_proxies /site_trusts=/p' "/etc/caddy/sites/$NAME.caddy" 2>/dev/null | sort -u
	say "app_trusts=$(sed -n 's/^Environment=FORWARDED_ALLOW_IPS=//p' "$units/$unit" 2>/dev/null)"
	[ -n "$MARK" ] || return 0
	ask journalctl --sync || : # what was said last may still be on its way
	ask journalctl --quiet --unit "$unit" --since -5min --output cat | grep -F "doctor=$MARK" | sed 's/^/access=/'
}

# Of a bare host bash alone is sure to be there: it can connect, and no more.
reach() { # KEY URL
	if command -v curl >/dev/null; then
		set -- "$1" "$2" --head --silent --show-error --output /dev/null --max-time 8
		# Caddy trusts the root that it was given, curl does not.
		if [ "$1/$OWN_ROOT" = directory/yes ]; then set -- "$@" --insecure; fi
		key=$1 url=$2
		shift 2
		if error=$(curl "$@" -- "$url" 2>&1 </dev/null); then
			say "$key=answers"
		else
			say "$key=fails $(say "$error" | tr '\n' ' ')"
		fi
		return
	fi
	place=${2#*://}
	place=${place%%/*}
	port=443
	case $2 in http:*) port=80 ;; esac
	case $place in *:[0-9]*) port=${place##*:} place=${place%:*} ;; esac
	# shellcheck disable=SC2016 # they are bash's own
	if ask bash -c ': <"/dev/tcp/$0/$1"' "$place" "$port"; then say "$1=connects"; else say "$1=fails"; fi
}

say "clock=$(date +%s.%N)"
{ [ -z "$DIRECTORY" ] || reach directory "$DIRECTORY"; } &
{ [ -z "$INDEX" ] || reach index "$INDEX"; } &
look_at_system
look_at_room
[ -z "$PORTS" ] || look_at_web
[ -z "$APP" ] || look_at_app
wait
say "over=yes"
