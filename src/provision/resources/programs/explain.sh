# Says in one block why a deployment failed: what systemd knows, the last lines of the log, who holds the port, and the
# usual causes by name. Appended to slots.sh.

# The unit's log since this program began, less the requests of the gate. It ends with the last complaint: after that
# comes the next attempt, which has not failed yet.
journal() { # UNIT LINES
	journalctl -q -o cat --since "@$began" -u "$1" | grep -v '"GET /[a-z.]* HTTP/1.1" [1-4]' | awk '
		{ line[NR] = $0 }
		/Error|ERROR|[Ff]ailed/ { last = NR }
		END { for (i = 1; i <= (last ? last : NR); i++) print line[i] }' | tail -n "$2" | sed 's/^/  | /'
}

explain() { # UNIT PORT
	log=$(journal "$1" 25)
	if [ -n "$log" ]; then say "$log"; fi
	say "$1: $(describe "$1")"
	holders=
	[ -z "$2" ] || holders=$("$build/.venv/bin/python" -I -S "$FILES/holders.py" "$2" 2>/dev/null | grep -v "app-$NAME@" || :)
	if [ -n "$holders" ]; then say "port $2 is held by $holders"; fi
	causes "$log"
}

describe() { # UNIT
	systemctl show -p ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,NRestarts "$1" | awk -F= '
		{ v[$1] = $2 }
		END {
			printf "%s (%s), result %s", v["ActiveState"], v["SubState"], v["Result"]
			if (v["ExecMainCode"] != 0) {
				how = v["ExecMainCode"] == 1 ? "exited with" : "killed by signal"
				printf ", main process %s %s", how, v["ExecMainStatus"]
			}
			if (v["NRestarts"] > 0) printf ", restarted %s times", v["NRestarts"]
			print ""
		}'
}

causes() { # LOG
	case $1 in
	*'Read-only file system'*)
		say "cause: the app writes where it may not; write to \$STATE_DIRECTORY (/var/lib/app-$NAME), which is also its HOME,"
		say "or name the path below its folder in app_writable"
		;;
	*'set up user namespacing'*)
		say "cause: this host forbids user namespaces; set app_service_options: {PrivateUsers: \"no\"}"
		;;
	*'attempt to write a readonly database'* | *'unable to open database file'*)
		say "cause: SQLite writes files beside its database; keep it in \$STATE_DIRECTORY (/var/lib/app-$NAME), or name"
		say "the folder it lies in, not the file alone, in app_writable"
		;;
	*"ddress already in use"*) say "cause: the port is taken; see app_port" ;;
	*"can't start new thread"* | *'Resource temporarily unavailable'*)
		say "cause: a limit on processes; lower app_workers, or raise the limit in app_service_options"
		;;
	*'No module named'*) say "cause: a module is missing: add it to the project's dependencies, or see app_entrypoint" ;;
	*'Application startup failed'*) say "cause: the app's own startup failed; its exception is above" ;;
	*'Connection refused'* | *'could not translate host name'* | *'Name or service not known'*)
		say "cause: something the app needs (its database?) did not answer; see app_env"
		;;
	*'Permission denied'*) say "cause: the app has no right to a file; it runs as user app-$NAME" ;;
	esac
}
