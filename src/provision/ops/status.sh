# How a host is now and what runs on it, as lines of key=value that status.py reads; changes nothing. Prepended by: pause
# (seconds between the two looks at processes), lines (how much of the record of runs), certificates (where Caddy
# keeps them), and the function of_app, which makes the functions of state.sh those of the app $1.

: "${pause:?}" "${lines:?}" "${certificates:?}"

properties=ActiveState,SubState,ActiveEnterTimestamp,NRestarts,MainPID,ControlGroup,MemoryHigh,MemoryMax
pids=''
# Where systemd puts the groups of units: alone (unified), or beside those of version 1 (hybrid, legacy).
for groups in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
	[ ! -e "$groups/cgroup.procs" ] || break
done

tell() {
	printf '%s\n' "$*"
}

machine() {
	tell "now=$(date +%s)"
	tell "ticks=$(getconf CLK_TCK)"
	read -r load </proc/loadavg && tell "load=$load"
	while read -r key value _; do
		case $key in MemTotal: | MemAvailable:) tell "memory ${key%:}=$value" ;; esac
	done </proc/meminfo
	df --block-size=1 --output=size,used,avail,target / /srv /var/lib /var/log 2>/dev/null | sed 1d |
		while read -r size used free target; do
			tell "disk $target=$size $used $free"
		done
}

# Also the other slot, where it runs: in a deployment, and after one that was cut.
app() { # NAME
	of_app "$1"
	slot=$(active_slot)
	record=$(record_of "$slot")
	tell "app $1=$slot"
	[ ! -d "$record" ] || tell "app $1 number=${record##*/}"
	for key in when release workers; do
		tell "app $1 $key=$(value "$record/meta" "$key")"
	done
	for side in blue green; do
		[ "$side" = "$slot" ] || running_in_part "$side" || continue
		unit "app-$1@$side.service" app "$1"
		for each in $(process_units "$side"); do
			unit "$each" app "$1"
		done
	done
}

unit() { # UNIT KIND OWNER
	tell "unit $1=$2 $3"
	group=''
	while IFS= read -r property; do
		tell "unit $1 $property"
		case $property in ControlGroup=*) group=$groups${property#*=} ;; esac
	done <<-END
		$(TZ=UTC systemctl show --property="$properties" -- "$1")
	END
	[ -n "${group#"$groups"}" ] || return 0
	read -r peak <"$group/memory.peak" && tell "unit $1 MemoryPeak=$peak"
	while read -r pid; do
		tell "process $pid=$1"
		pids="$pids $pid"
	done <"$group/cgroup.procs"
}

services() {
	systemctl list-units --all --plain --no-legend --type=service \
		caddy.service redis-server.service 'postgresql@*.service' |
		while read -r name _; do
			echo "$name"
		done
}

# Without the command, which may hold a secret: only whether it is what uvicorn starts its workers with.
processes() {
	look before
	sleep "$pause"
	look after
	set --
	for pid in $pids; do
		while read -r key value _; do
			[ "$key" != Pss: ] || tell "pss $pid=$value"
		done <"/proc/$pid/smaps_rollup"
		set -- "$@" "/proc/$pid/cmdline"
	done
	[ $# -eq 0 ] || grep -lsaF spawn_main "$@" | sed 's|/proc/\(.*\)/cmdline|spawned \1=yes|'
}

look() { # WHEN
	read -r uptime _ </proc/uptime
	tell "$1=$uptime"
	for pid in $pids; do
		# A name may hold spaces and parentheses; behind it stand numbers.
		read -r stat <"/proc/$pid/stat" && tell "$1 $pid=${stat##*) }"
	done
}

# The first of a file is the site's own, those behind it its authority's.
sites() {
	for file in "$certificates"/*/*/*.crt; do
		[ -e "$file" ] || continue
		folder=${file%/*}
		site=${folder##*/} authority=${folder%/*}
		# Caddy keeps those of names that it was once told, and example.org is no part of app.example.org.
		name=$(printf '%s\n' "$site" | sed 's/^wildcard_/*/; s/[.*]/[&]/g')
		grep -rqisE -- "(^|[^[:alnum:].-])$name([^[:alnum:].-]|\$)" /etc/caddy || continue
		tell "certificate ${authority##*/} $site=$(sed -n '/^-----BEGIN/,/^-----END/ { /^-----/!p; }; /^-----END/q' \
			"$file" | tr -d '\r\n')"
	done
}

runs() {
	number=0
	tail -n "$lines" /var/log/provision/audit.jsonl 2>/dev/null | while IFS= read -r row; do
		number=$((number + 1))
		tell "run $number=$row"
	done
}

machine
for marker in /srv/*/.provision; do
	[ ! -f "$marker" ] || {
		folder=${marker%/*}
		app "${folder##*/}"
	}
done
for name in $(services); do
	unit "$name" service "$name"
done
processes
sites
runs
