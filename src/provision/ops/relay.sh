# Runs one command and passes on what it prints, as it comes. The file "main" of a trip of driver.sh, which sets here (the
# folder of this trip) and nonce; beside it lie the files "command" and "signal". On fd 3 comes, as long as the line lives:
#   an empty line      a heartbeat
#   input SIZE         SIZE bytes follow for the command; sent when the frame "more" asks for it. 0 is the end of its input
#   signal NAME        hand this signal to the command: the file "signal" is run with it in SIGNAL, the command's pid in CHILD
# When the line ends, the command is ended.

: "${run:?}" "${here:?}" "${nonce:?}" "${READS_INPUT:?}"

frame() {
	printf '\n@%s %s\n' "$nonce" "$*" || exit 141
}

# Frames come from several processes; each is written under the lock. Not as redirections of the call: dash would keep
# the descriptors they replace, and with them the command's input open.
pump() { # KIND
	exec <"$here/$1" 3<&- 6>&- 8>>"$here/lock"
	# One read each: what there is goes out at once.
	while dd bs=65536 count=1 of="$here/$1.bytes" 2>/dev/null && [ -s "$here/$1.bytes" ]; do
		flock 8
		frame "$1"
		cat "$here/$1.bytes" || exit 141
		frame end
		flock -u 8
	done
}

# Beside the listener: a command that does not read its input must not keep signals and the end of the line from it.
feed() {
	exec 6>&-
	{ cat "$here/input" 2>/dev/null; } >"$here/in"
	exec 8>>"$here/lock"
	flock 8
	ask_for_more
}

ask_for_more() {
	frame more
	frame end
}

tell_command() { # SIGNAL
	SIGNAL=$1 CHILD=$child sh "$here/signal" >/dev/null 2>&1 </dev/null 3<&- 6>&-
}

listen() {
	feeder=''
	trap 'kill $feeder 2>/dev/null; exit' TERM
	while IFS= read -r request <&3; do
		case $request in
		'input 0') exec 6>&- ;;
		input*)
			head -c "${request#* }" <&3 >"$here/input" || break
			feed &
			feeder=$!
			;;
		signal*) tell_command "${request#* }" ;;
		esac
	done
	trap - TERM
	tell_command TERM
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		sleep 1
	done
	tell_command KILL
}

# Others than root may open their /dev/stdout too; the folder keeps everybody else away.
mkfifo -m 0666 "$here/in" "$here/out" "$here/err"
input=/dev/null
if [ "$READS_INPUT" = yes ]; then
	input=$here/in
	# For reading too, or opening it would wait for the command.
	exec 6<>"$input"
	ask_for_more
fi
pump out &
pumps=$!
pump err &
pumps="$pumps $!"
# A group of its own, with the signals that this shell ignores or passes over as they are by default.
HERE=$here env --default-signal=PIPE,INT,QUIT,HUP setsid sh "$here/command" \
	<"$input" >"$here/out" 2>"$here/err" 3<&- 6>&- &
child=$!
listen &
listener=$!
exec 6>&-
status=0
wait "$child" || status=$?
# shellcheck disable=SC2086 # two numbers
wait $pumps
kill "$listener" 2>/dev/null
wait "$listener" 2>/dev/null
if [ -e "$here/refused" ]; then
	frame refused
	cat "$here/refused" || exit 141
	frame end
fi
frame status command "$status"
frame over
# Whatever is still on the line was meant for the command: no request of driver.sh may be read from it.
: >"$run/dead"
