# The deployments of an app that are on record, in no order: a line each of key=value words. Appended to state.sh.

state_of() { # FOLDER
	if [ "${1##*/}" = "$serving" ]; then
		if running "$active"; then echo serving; else echo down; fi
	elif [ ! -e "$1/deployed" ]; then
		echo failed
	elif grep -qsx "$(value "$1/meta" digest)" "$home/rolled-back"; then
		echo rolled-back
	else
		echo kept
	fi
}

[ -e "$home/.provision" ] || exit 0
active=$(active_slot)
serving=$(basename "$(record_of "$active")")
for folder in "$home"/deployments/[0-9]*; do
	[ -e "$folder/meta" ] || continue
	printf '%s ' "number=${folder##*/}" "state=$(state_of "$folder")" "memory=$(cat "$folder/memory_per_worker" 2>/dev/null)"
	[ ! -e "$folder/deployed" ] || printf 'finished=yes '
	grep -E '^(digest|release|build|workers|slot|previous|when)=' "$folder/meta" | tr '\n' ' '
	echo
done
