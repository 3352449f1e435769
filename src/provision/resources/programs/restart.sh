# For a machine whose memory does not hold two copies: the old slot is stopped before the new one starts. Requests wait
# in Caddy, which tries again for a while where a connection is refused; the link says first where they wait, since a
# request that Caddy has sent to one slot is not sent to the other. Appended to slots.sh.
#
# $home/restarting names the slot that served, for as long as the link names one that has not proved itself.

restarts() {
	[ "$(setting strategy)" = restart ] && [ -n "$active" ]
}

make_room() {
	say "$(setting memory)"
	say "stopping app-$NAME@$active.service; requests wait"
	measure "$active"
	say "$active" | put "$home/restarting" 0600 root:root
	sync -f "$home"
	link_to "$slot"
	# For requests that were on their way to the old slot.
	sleep 1
	stop_slot "$active"
}

# The slot that served serves again; also after a run that was cut in between.
give_back() { # SLOT
	link_to "$1"
	# It has failed, and requests wait for the other.
	systemctl kill --signal=KILL "app-$NAME@$(other_slot "$1").service" 2>/dev/null || :
	stop_slot "$(other_slot "$1")"
	say "starting app-$NAME@$1.service again"
	for each in "app-$NAME@$1.service" $(process_units "$1"); do
		systemctl start "$each" 2>/dev/null || :
	done
	rm -f -- "$home/restarting"
}
