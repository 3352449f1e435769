# The end of a deployment that serves: it is put on record, the old slot stopped, what is old removed. Appended to
# deploy.sh's other parts.

# The link names it, so its conditions hold without the trial file. Failures from here on leave a serving app.
finish() {
	note_success
	end_others
	say "deployment $number serves ($slot, port $(port_of "$slot"))"
}

note_success() {
	date -u +%Y-%m-%dT%H:%M:%SZ | put "$record/deployed" 0600 root:root
	[ -n "$ROLLBACK" ] || rm -f -- "$home/rolled-back"
}

# Before the switch: were it noted later, a run after a cut would deploy again what was to be rolled back.
note_rollback() {
	[ -n "$ROLLBACK" ] || return 0
	value "$now/meta" digest >>"$home/rolled-back"
	noted=yes
	sync -f "$home/rolled-back"
}

end_others() {
	other=$(other_slot "$slot")
	measure "$other"
	note_sizes
	stop_processes "$other"
	if running "$other"; then drain "$other"; fi
	stop_slot "$other"
	prune
	# Last: as long as it is there, the next run goes on here.
	rm -f -- "$trials/trial-$slot"
}

# The wanted deployment is the one the link names: see that it runs, and that nothing else does. One that was cut short
# after the switch is brought to its end.
keep_serving() {
	committed=yes
	slot=$linked record=$(record_of "$linked")
	systemctl daemon-reload
	enable_slots
	running "$slot" || start_and_gate "the release that was serving does not start"
	running_whole "$slot" || start_processes
	rm -f -- "$trials/draining"
	if [ ! -e "$record/deployed" ]; then
		check_through_caddy
		note_success
	fi
	end_others
}

# What a worker of a slot takes, after all it has done; a new release takes less when it has just started.
measure() { # SLOT, sets load
	if running "$1"; then
		load=$(client --unit "app-$NAME@$1.service" --workers "$(value "$(record_of "$1")/meta" supervised)" --measure) || :
	fi
}

note_sizes() {
	if [ "${load:-0}" -gt "$(cat "$record/memory_per_worker" 2>/dev/null || say 0)" ]; then
		say "$load" | put "$record/memory_per_worker" 0600 root:root
	fi
	[ -z "$(setting sized_for)" ] || setting sized_for | put "$record/sized_for" 0600 root:root
}

# What served is kept for a rollback, and what the slots use in any case; a failure here is no failure of the deployment.
prune() {
	needed=$( (
		for folder in "$home"/deployments/*; do
			[ ! -e "$folder/deployed" ] || say "${folder##*/}"
		done | sort -n | tail -n "$(setting keep)"
		cat "$home/slots/blue/blue" "$home/slots/green/green" 2>/dev/null || :
		value "$record/meta" previous
	) | sort -u)
	for folder in "$home"/deployments/*; do
		say "$needed" | grep -qx "${folder##*/}" || rm -rf -- "$folder"
	done
	for kind in build release; do
		for folder in "$home/${kind}s"/*; do
			grep -qs "^$kind=${folder##*/}\$" "$home"/deployments/*/meta || forget "$folder"
		done
	done || :
}
