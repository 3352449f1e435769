# Runs the steps of an apply, one after the other, and reports each as it goes. script.py appends the calls.
# Set by driver.sh: run (the folder of this shell), here (the folder of this trip), nonce.

: "${run:?}" "${here:?}" "${nonce:?}"

frame() {
	printf '\n@%s %s\n' "$nonce" "$*" || exit 141
}

# During a trip nobody else reads the line: heartbeats and requests are taken here, and its end is seen here.
listen() {
	exec 9<&-
	while IFS= read -r request; do
		read -r uptime _ </proc/uptime && printf '%s\n' "${uptime%.*}" >"$run/beat"
		case $request in
		stop) : >"$run/stop" ;;
		abort*)
			head -c "${request#* }" >"$here/abort.sh" || break
			# Beside the listener: `systemctl stop` may take longer than the patience for heartbeats.
			sh -eu "$here/abort.sh" </dev/null >/dev/null 2>&1 3<&- &
			;;
		esac
	done <&3
	: >"$run/dead"
}

show_output() { # ID LOG
	size=$(stat -c %s "$2") || return 0
	[ "$size" -gt "$shown" ] || return 0
	frame output "$1"
	tail -c "+$((shown + 1))" "$2" | head -c "$((size - shown))" || exit 141
	frame end
	shown=$size
}

run_step() { # ID TIMEOUT SECRET
	if [ -e "$run/stop" ]; then
		result=stopped
		finish
	fi
	[ ! -e "$run/dead" ] || exit 1
	frame start "$1"
	log=$here/$1.log shown=0 interval=0.01
	: >"$log"
	: >"$run/running"
	# The subshell keeps fd 9, so the lock lives as long as the step; only the command itself closes it, or a
	# daemon it starts would keep the lock. Ignored signals are inherited: without --default-signal `yes | head`
	# would run for ever. setsid: no signal of a terminal or of this shell's group reaches a step.
	(
		status=0
		FILES=$here/$1.files HERE=$here env --default-signal=PIPE,INT,QUIT,HUP setsid -w \
			timeout --kill-after 10 "$2" sh -eu "$here/$1.sh" </dev/null >"$log" 2>&1 3<&- 9<&- || status=$?
		printf '%s\n' "$status" >"$here/$1.status.new"
		mv "$here/$1.status.new" "$here/$1.status"
		rm -f "$run/running"
	) &
	while [ ! -e "$here/$1.status" ]; do
		sleep "$interval"
		case $interval in
		0.01) interval=0.02 ;;
		0.02) interval=0.05 ;;
		0.05) interval=0.1 ;;
		0.1) interval=0.2 ;;
		esac
		[ "$3" = yes ] || show_output "$1" "$log"
	done
	wait "$!"
	[ "$3" = yes ] || show_output "$1" "$log"
	read -r status <"$here/$1.status"
	frame status "$1" "$status"
	[ "$status" -eq 0 ] || {
		result=failed
		finish
	}
}

# Runs that changed something or failed are recorded on the host; a run with nothing to do has no apply.
finish() {
	[ -d /var/log/provision ] || mkdir -m 0750 /var/log/provision
	sed "s/@RESULT@/$result/" "$here/audit.json" >>/var/log/provision/audit.jsonl
	# The listener must be gone before the other side speaks again: it would take the next request for itself.
	kill "$listener"
	wait "$listener" 2>/dev/null
	frame over
	exit 0
}

result=ok
cd /
trap '' PIPE
listen &
listener=$!
# A line that is gone ends this shell at its next frame, but not before the running step: driver.sh then tidies up.
trap 'kill "$listener" 2>/dev/null; wait' EXIT
