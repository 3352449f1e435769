# The read of a deployment: one line "key=value" for each thing that may differ. Appended to state.sh.

yes_if() {
	if "$@"; then echo yes; else echo no; fi
}

observe() {
	for stamp in "$home"/migrated/*; do
		[ ! -f "$stamp" ] || echo "migrated_${stamp##*/}=yes"
	done
	[ -d "$home/slots" ] || return 0
	slot=$(active_slot)
	[ -n "$slot" ] || return 0
	record=$(record_of "$slot")
	read -r _ total _ </proc/meminfo
	grep -E '^(port|workers|memory_high|memory_max)=' "$record/meta" 2>/dev/null
	printf '%s\n' "slot=$slot" "deployment=${record##*/}" "digest=$(value "$record/meta" digest)" \
		"memory_per_worker=$(cat "$record/memory_per_worker" 2>/dev/null)" \
		"sized_for=$(cat "$record/sized_for" 2>/dev/null)" "cores=$(nproc)" "memtotal_mb=$((total / 1024))" \
		"intact=$(yes_if intact "$slot")" "enabled=$(yes_if enabled)" \
		"running=$(yes_if running_whole "$slot")" "leftover=$(yes_if leftover "$slot")"
}

observe
