# For hosts behind a load balancer that asks Caddy how they are: while $trials/draining is there the answer is 503, and a
# balancer that has noticed sends no more requests. Appended to slots.sh.

# Before anything competes with what serves. Should this program be killed, the host does not stay out for ever.
leave_balancer() {
	# A record that a rollback goes to may be older than the setting.
	wait=$(setting balancer_drain)
	[ -n "$active" ] && [ "${wait:-0}" -gt 0 ] || return 0
	say "leaving the load balancer"
	: >"$trials/draining"
	limit=$(($(setting start_timeout) + $(setting drain) + 120))
	systemd-run --quiet --collect --unit="app-$NAME-join-$number" --on-active="$limit" \
		/bin/rm -f "$trials/draining"
	sleep "$wait"
}

# The next host must not leave before the balancer has noticed that this one is back.
join_balancer() {
	[ -e "$trials/draining" ] || return 0
	rm -f -- "$trials/draining"
	# A file that an earlier run has left may be all there is.
	systemctl stop "app-$NAME-join-${number:-}.timer" 2>/dev/null || :
	say "back in the load balancer"
	sleep "${wait:-0}"
}
