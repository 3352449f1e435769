# Says in one block why a deployment failed: what systemd knows, the last lines of the log, who holds the port, and the
# usual causes by name. Appended to slots.sh and hardening.sh.

# The unit's log since this program began, less the requests of the gate. It ends with the last complaint: after that
# comes the next attempt, which has not failed yet.
journal() { # UNIT LINES
	journalctl --sync 2>/dev/null || : # what was said last may still be on its way
	journalctl -q -o cat --since "@$began" -u "$1" | grep -v '"GET /[a-z.]* HTTP/1.1" [1-4]\|^ *$' | awk '
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
	cause_by_systemd "$1" || cause_by_hardening "$1" "$log" || cause_by_log "$1" "$log"
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

# What systemd itself knows the cause of; 1 where it does not.
cause_by_systemd() { # UNIT
	if [ "$(systemctl show -P Result "$1")" = timeout ] && [ "$1" = "app-$NAME-migrate@$slot.service" ]; then
		say "cause: it was not over after app_migrate_timeout ($(systemctl show -P TimeoutStartUSec "$1")), and was ended;"
		say "what it waits for may be a lock that the serving release holds"
	else
		return 1
	fi
}

cause_by_log() { # UNIT LOG
	case $2 in
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
	*"ddress already in use"*) say "cause: the port is taken; stop what holds it, or choose another app_port" ;;
	*"can't start new thread"* | *'Resource temporarily unavailable'*)
		say "cause: a limit on processes; lower app_workers, or raise the limit in app_service_options"
		;;
	*'No module named'*) say "cause: a module is missing: add it to the project's dependencies, or see app_entrypoint" ;;
	*'Connection refused'* | *'Connect call failed'* | *'could not translate host name'* | *'Name or service not known'*)
		say "cause: something the app needs (its database?) did not answer; start it, or see app_env"
		;;
	*'Operation not permitted'*)
		say "cause: a system call that the unit's hardening forbids, or that is for root alone; docs/how-to/hardening.md says how"
		say "to find out which, then see app_system_calls and app_capabilities"
		;;
	*'Permission denied'*) say "cause: the app has no right to a file; it runs as user app-$NAME" ;;
	*'Application startup failed'*) say "cause: the app's own startup failed; its exception is above" ;;
	*) still_starting "$1" ;;
	esac
}

# uvicorn says when it begins to start and when that is over.
still_starting() { # UNIT
	[ "$(systemctl show -P ActiveState "$1")" = active ] || return 0
	said=$(journalctl -q -o cat --since "@$began" -u "$1")
	case $said in
	# What a worker dies of by itself stands above.
	*'Traceback (most recent'*) ;;
	*'Child process ['*'] died'*'Child process ['*'] died'*)
		say "cause: a worker takes more than 5 s to begin on this host, and uvicorn ends one that has not answered by then;"
		say "set app_workers: 1, or app_run_command: uvicorn MODULE:APP --timeout-worker-healthcheck 60"
		;;
	*'Application startup complete'*) ;;
	*'Started parent process'* | *'Started server process'*)
		say "cause: its startup was not over after app_start_timeout ($(setting start_timeout) s); raise it if it takes longer"
		;;
	esac
}
