# Puts a deployment into the slot that does not serve, and lets it serve once it has proved that it can. Whatever ends
# this program before that, the old deployment serves as before: nothing it uses is written.
#
#   write the slot > import the app > migrate > leave the balancer > start > gate > switch > check through Caddy
#   > start its processes | join the balancer > stop the old processes > drain > stop the old slot
#
# Where two copies do not fit into the memory, the old slot is stopped before the start, and started again to undo it.
#
# Left of the bar a failure or a signal undoes everything. If this shell itself is killed, the link still names a slot
# that serves, and the next run goes on from what it finds. Appended to state.sh, slots.sh, write.sh, restart.sh,
# balancer.sh, hardening.sh, explain.sh and finish.sh.

# MODE is deploy, retry (also what was rolled back) or migrate (and start nothing).

: "${FILES:?}" "${MODE:?}" "${ROLLBACK?}"

slot='' started='' restarted='' switched='' noted='' committed=''
began=$(date +%s)

undo() {
	status=$?
	trap - EXIT
	trap '' HUP INT TERM
	set +e
	if [ -z "$committed" ]; then
		if [ -n "$switched" ]; then
			link_to "$linked"
			[ -z "$noted" ] || sed -i '$d' "$home/rolled-back"
		fi
		if [ -n "$restarted" ]; then give_back; fi
		if [ -n "$started" ]; then
			stop_slot "$slot"
			if [ -n "$active" ] && running "$active"; then
				say "" "undone: $(release_of "$active") goes on serving"
			else
				say "" "undone: nothing was switched"
			fi
			join_balancer
		fi
	fi
	rm -f -- "/run/systemd/system/app-$NAME-preflight.service" "$trials/preflight.py" "$trials/preflight.log"
	rm -rf -- "$home/preflight"
	exit "$status"
}

release_of() { # SLOT
	say "deployment $(cat "$home/slots/$1/$1" 2>/dev/null || say '?') ($1)"
}

stop_here() { # WHY
	say "" "$1"
	exit 1
}

# The deployment to make: the one in FILES, or for a rollback one that is on record.
choose_input() {
	INPUT=$FILES
	[ -n "$ROLLBACK" ] || return 0
	[ -n "$active" ] || stop_here "$NAME has no deployment to go back from"
	now=$(record_of "$active")
	INPUT=$home/deployments/$ROLLBACK
	[ -e "$INPUT/meta" ] || stop_here "deployment $ROLLBACK of $NAME is not on record; there are: $(ls -x "$home/deployments")"
	PREVIOUS=$(value "$INPUT/meta" previous)
}

refuse_rolled_back() {
	[ -z "$ROLLBACK" ] && [ "$MODE" != retry ] || return 0
	grep -qsx "$(setting digest)" "$home/rolled-back" || return 0
	stop_here "this deployment of $NAME was rolled back; change it, or try it again with --retry"
}

# Somebody does not want it to run; writing the unit anew would take the mask away.
refuse_masked() {
	for each in "app-$NAME@$slot.service" "app-$NAME-migrate@$slot.service"; do
		[ "$(systemctl show -P LoadState "$each")" != masked ] ||
			stop_here "$each is masked; if it may run again: systemctl unmask $each"
	done
}

# A link that is lost is made again where a slot still runs what was deployed into it.
restore_link() {
	for name in blue green; do
		if [ -z "$linked" ] && running "$name" && intact "$name" && [ -e "$(record_of "$name")/deployed" ]; then
			link_to "$name"
			linked=$name
		fi
	done
}

# On record, and not as deployed.
on_trial() { # SLOT
	[ -e "$(record_of "$1")/meta" ] && [ ! -e "$(record_of "$1")/deployed" ]
}

# The link decides. Without one Caddy asks blue, so a running blue is treated as the slot that serves; unless all that it
# has ever been is the trial of a first deployment that was cut.
find_slots() {
	linked=$(active_slot)
	restore_link
	active=$linked
	if [ -z "$active" ] && running blue && ! on_trial blue; then active=blue; fi
	if [ -n "$active" ]; then slot=$(other_slot "$active"); else slot=blue; fi
	PREVIOUS=''
	if [ -n "$linked" ]; then PREVIOUS=$(cat "$home/slots/$active/$active" 2>/dev/null || :); fi
}

# The slot holds a trial that was cut short, or an old deployment that was to be stopped. A migration that still runs is
# waited for: breaking it off could leave half of it.
clear_slot() {
	while [ "$(systemctl show -P ActiveState "app-$NAME-migrate@$slot.service")" = activating ]; do
		sleep 1
	done
	stop_slot "$slot"
}

# No network, nothing of the host to write to, and state and writable paths that are gone afterwards; all else as the
# app will have it.
preflight_unit() { # SLOT
	printf '%s\n' '[Service]' Type=oneshot PrivateNetwork=yes "TemporaryFileSystem=/var/lib/app-$NAME:mode=0777" \
		"Environment=STATE_DIRECTORY=/var/lib/app-$NAME" "TimeoutStartSec=$(setting start_timeout)" \
		"StandardOutput=truncate:$trials/preflight.log" StandardError=inherit \
		"ExecStart=$build/.venv/bin/python $trials/preflight.py $(setting entrypoint)"
	process_lines "$1" | sed "/^StateDirectory/d; /^ReadWritePaths/d
		s|^BindPaths=$state_folder/writable/|BindPaths=$home/preflight/writable/|"
}

preflight() {
	put "$trials/preflight.py" 0644 root:root <"$FILES/preflight.py"
	rm -rf -- "$home/preflight"
	copy_shipped "$home/preflight/writable"
	unit=app-$NAME-preflight.service
	systemctl start "$unit" 2>/dev/null || :
	status=$(systemctl show -P ExecMainStatus "$unit")
	systemctl reset-failed "$unit" 2>/dev/null || :
	[ ! -s "$trials/preflight.log" ] || tail -n 30 "$trials/preflight.log"
	[ "$status" = 90 ] || return 0
	cause_by_hardening "$unit" "$(tail -n 30 "$trials/preflight.log")" || :
	stop_here "$(setting entrypoint) cannot be started; nothing was changed"
}

migrate() {
	[ -e "$INPUT/migrate" ] || return 0
	stamp=$home/migrated/$(setting stamp)
	[ ! -e "$stamp" ] || return 0
	unit=app-$NAME-migrate@$slot.service
	say "migrating"
	systemctl start "$unit" 2>/dev/null || :
	if [ ! -e "$stamp" ]; then
		explain "$unit" "$(port_of "$slot")"
		stop_here "the migration failed; the new release was not started"
	fi
}

client() { # ARGUMENTS
	"$build/.venv/bin/python" -I -S "$FILES/gate.py" --host "$(setting host)" --path "$(setting health_path)" "$@"
}

# Start the slot and wait until it serves; `found` is what the gate said.
start_and_gate() { # WHAT OPTIONS
	unit=app-$NAME@$slot.service what=$1
	shift
	systemctl start "$unit" 2>/dev/null || :
	if ! found=$(client --port "$(port_of "$slot")" --unit "$unit" --workers "$(setting supervised)" \
		--timeout "$(setting start_timeout)" "$@"); then
		explain "$unit" "$(port_of "$slot")"
		stop_here "$what: $found"
	fi
}

# Workers of queues and the like: together with those of the old slot for a moment, but never without a slot that serves.
# shellcheck disable=SC2046 # the names of units are words
start_processes() {
	set -- $(process_units "$slot")
	[ $# -gt 0 ] || return 0
	say "starting $*"
	systemctl start "$@" 2>/dev/null || :
	for unit in "$@"; do
		if ! found=$(client --unit "$unit" --timeout "$(setting start_timeout)"); then
			explain "$unit" ""
			stop_here "$unit does not go on running: $found"
		fi
	done
}

check_through_caddy() {
	if ! found=$(client --port "$(setting check_port)" --upstream "127.0.0.1:$(port_of "$slot")" --timeout 30); then
		say "" "caddy.service: $(describe caddy.service)"
		journal caddy.service 10
		stop_here "the new release serves, but not through Caddy: $found"
	fi
}

as_wanted() { # SLOT
	[ -n "$1" ] && [ "$(value "$(record_of "$1")/meta" digest)" = "$(setting digest)" ] && intact "$1"
}

deploy() {
	find_slots
	choose_input
	build=$home/builds/$(setting build)
	[ -e "$build/.complete" ] || stop_here "the build $(setting build) of $NAME is not there or not complete"
	if [ "$MODE" = migrate ]; then
		migrate_only
		return
	fi
	if [ "$(setting resize)" != yes ] && as_wanted "$linked"; then
		keep_serving
		return
	fi
	refuse_rolled_back
	refuse_masked
	started=yes
	clear_slot
	write_slot "$slot"
	write_record "$slot"
	preflight
	: >"$trials/trial-$slot"
	migrate
	leave_balancer
	if restarts; then
		restarted=yes
		make_room
	fi
	say "starting app-$NAME@$slot.service"
	set --
	# Where nothing serves, nothing can be lost, and the gate may be quicker; where requests wait, it has to be.
	if [ -z "$active" ] || [ -n "$restarted" ]; then set -- --first; fi
	if [ -n "$restarted" ]; then set -- "$@" --restarts 1; fi
	start_and_gate "the new release does not serve" "$@"
	say "$found" | put "$record/memory_per_worker" 0600 root:root
	switched=yes
	note_rollback
	link_to "$slot"
	# They may fail, and then nobody must have been let go yet. Others wait for the slot to serve.
	if [ -n "$restarted" ]; then
		start_processes
		let_go_to "$slot"
	fi
	check_through_caddy
	[ -n "$restarted" ] || start_processes
	committed=yes
	join_balancer
	finish
}

# For all hosts that share the database, before any of them starts the new release. The slot that does not serve lends
# its units; nothing is recorded but the stamp.
migrate_only() {
	refuse_masked
	started=yes
	clear_slot
	write_slot "$slot"
	preflight
	: >"$trials/trial-$slot"
	migrate
	stop_slot "$slot"
	committed=yes
}

trap undo EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
deploy
