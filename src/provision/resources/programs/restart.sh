# For a machine whose memory does not hold two copies: the old slot is stopped before the new one starts. Requests are
# held meanwhile by hold.py, to which Caddy sends them while $trials/hold is there. The link names the old slot until the
# new one has proved itself, so whatever happens in between, a boot too, the old one is started. Appended to slots.sh.

restarts() {
	[ -n "$active" ] || return 1
	[ "$(setting strategy)" = restart ] && return
	# An old deployment may have been sized when nobody knew yet what the app takes.
	[ -n "$ROLLBACK" ] && [ "$(value "$now/meta" strategy)" = restart ]
}

# shellcheck disable=SC2046 # the names of units are words
make_room() {
	say "$(setting memory)"
	measure "$active"
	rm -f -- "$trials/hold" "$trials/hold-port"
	systemd-run --quiet --collect --unit="app-$NAME-hold-$number.service" --property=LimitNOFILE=65536 \
		--property="ExecStopPost=/bin/sh -c 'if grep -qsx $number $trials/hold; then rm -f $trials/hold; fi'" \
		"$build/.venv/bin/python" -I -S "$FILES/hold.py" "$NAME" "$(setting port)" "$$" "$number" \
		$(process_units "$active") $(process_units "$slot")
	left=300
	while [ ! -e "$trials/hold" ]; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || stop_here "requests cannot be held: $(journal "app-$NAME-hold-$number.service" 5)"
		sleep 0.1
	done
	# For requests that were on their way to the old slot.
	sleep 1
	say "stopping app-$NAME@$active.service; requests wait"
	stop_slot "$active"
}

# Whoever waits goes to this slot, and whoever comes to the one that the link names.
let_go_to() { # SLOT
	port_of "$1" | put "$trials/hold-port" 0644 root:root
	rm -f -- "$trials/hold"
}

# The new slot has failed, and requests wait: the old one serves again.
give_back() {
	systemctl kill --signal=KILL "app-$NAME@$slot.service" 2>/dev/null || :
	stop_slot "$slot"
	for each in "app-$NAME@$active.service" $(process_units "$active"); do
		systemctl start "$each" 2>/dev/null || :
	done
	found=$(client --port "$(port_of "$active")" --timeout "$(setting start_timeout)") || say "$found"
	let_go_to "$active"
}
