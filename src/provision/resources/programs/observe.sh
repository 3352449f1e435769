# The read of a deployment: one line "key=value" for each thing that may differ. Appended to state.sh.

yes_if() {
	if "$@"; then echo yes; else echo no; fi
}

line_of() { # FILE
	line=
	[ ! -e "$1" ] || read -r line <"$1" || :
	printf '%s\n' "$line"
}

# Those of the app's units that run, as the survey's one question to systemd has them: another one would cost more than
# all else here. It does not ask for further processes, nor where another kind than a deployment reads this.
# shellcheck disable=SC2046 # the names of units are words
running_units() {
	set -- "app-$NAME@blue.service" "app-$NAME@green.service" $(process_units blue) $(process_units green)
	if [ $# -eq 2 ] && [ -e "${here-}/told-units" ] && told=$(told_of "$@" <"$here/told-units"); then
		printf '%s\n' "$told"
		return
	fi
	systemctl is-active "$@" 2>/dev/null | while read -r state; do
		case $state in
		active | reloading) printf '%s ' "$1" ;;
		esac
		shift
	done
}

told_of() { # UNIT UNIT, what systemctl has shown on stdin; fails where it was not asked for both
	asked=0
	id=
	while IFS='=' read -r key word; do
		case $key=$word in
		"Id=$1" | "Id=$2")
			id=$word
			asked=$((asked + 1))
			;;
		Id=*) id= ;;
		ActiveState=active | ActiveState=reloading) [ -z "$id" ] || printf '%s ' "$id" ;;
		esac
	done
	[ "$asked" -eq 2 ]
}

observe() {
	for stamp in "$home"/migrated/*; do
		[ ! -f "$stamp" ] || echo "migrated_${stamp##*/}=yes"
	done
	if [ -e "$home/rolled-back" ]; then
		while read -r digest; do echo "rolled_back_$digest=yes"; done <"$home/rolled-back"
	fi
	[ -d "$home/slots" ] || return 0
	slot=$(active_slot)
	[ -n "$slot" ] || return 0
	record=$(record_of "$slot")
	read -r _ total _ </proc/meminfo
	active_units=$(running_units)
	while read -r each; do
		case $each in digest=* | port=* | workers=* | memory_high=* | memory_max=*) printf '%s\n' "$each" ;; esac
	done <"$record/meta"
	printf '%s\n' "slot=$slot" "deployment=${record##*/}" \
		"memory_per_worker=$(line_of "$record/memory_per_worker")" \
		"sized_for=$(line_of "$record/sized_for")" "cores=${cores:-$(nproc)}" "memtotal_mb=$((total / 1024))" \
		"intact=$(yes_if intact "$slot")" "enabled=$(yes_if enabled)" \
		"running=$(yes_if running_whole "$slot")" "leftover=$(yes_if leftover "$slot")"
}

observe
