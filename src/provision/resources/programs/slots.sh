# What a slot's units are made of, and how slots are switched and stopped. Appended to state.sh.
# From the caller: INPUT, a deployment as files; see write.sh.

say() {
	printf '%s\n' "$@"
}

setting() { # KEY
	value "$INPUT/meta" "$1"
}

# On the disk before it has its name: a power cut must not leave an empty file.
put() { # PATH MODE OWNER, content on stdin
	(umask 077 && cat >"$1.new")
	chown "$3" "$1.new"
	chmod "$2" "$1.new"
	sync -- "$1.new"
	mv -T -- "$1.new" "$1"
}

port_of() { # SLOT
	if [ "$1" = blue ]; then setting port; else say "$(($(setting port) + 1))"; fi
}

# One worker needs no supervisor, and takes none of its options.
worker_options() {
	if [ "$(setting workers)" -gt 1 ]; then say "--workers $(setting workers)"; fi
}

# Units are kept with @tokens@; their values are known only here, and the digest of a deployment must not hang on them.
fill() { # SLOT, a unit on stdin
	sed -e "s|@start@|$(sed 's/[&|\\]/\\&/g' "$build/start")|" \
		-e "s|@slot@|$1|g" -e "s|@port@|$(port_of "$1")|g" -e "s|@workers@|$(worker_options)|g" \
		-e "s|@build@|$build|g" -e "s|@stamp@|$(setting stamp)|g" \
		-e "s|@memory_high@|$(setting memory_high)|g" -e "s|@memory_max@|$(setting memory_max)|g"
}

# What the app's process is given, whatever it is started for: its user, folders, environment and limits.
process_lines() { # SLOT
	fill "$1" <"$INPUT/unit" | sed -n '/^\[Service\]/,/^\[Install\]/ {
		/^#\|^\[\|^$\|^Exec[A-Za-z]*=\|^Type=\|^Restart[A-Za-z]*=\|^TimeoutStopSec=\|^KillMode=/d
		p
	}'
}

# The one rename that decides which slot serves: Caddy asks the link at every request, systemd at every start.
link_to() { # SLOT, or nothing for no link
	rm -f -- "$home/.active.new"
	if [ -n "$1" ]; then
		ln -s "slots/$1" "$home/.active.new"
		mv -T -- "$home/.active.new" "$home/active"
	else
		rm -f -- "$home/active"
	fi
	sync -f "$home"
}

# shellcheck disable=SC2046 # the names of units are words
stop_slot() { # SLOT
	rm -f -- "$trials/trial-$1"
	set -- "$1" "app-$NAME@$1.service" $(process_units "$1")
	slot_name=$1
	shift
	systemctl stop "$@" 2>/dev/null || :
	systemctl reset-failed "$@" "app-$NAME-migrate@$slot_name.service" 2>/dev/null || :
}

# They may take as long as stopping the slot takes; drain and stop_slot wait for them.
# shellcheck disable=SC2046 # the names of units are words
stop_processes() { # SLOT
	set -- $(process_units "$1")
	[ $# -eq 0 ] || systemctl stop --no-block "$@" 2>/dev/null || :
}

# Ends as soon as nobody is connected any more; Caddy keeps idle connections for 3 s.
drain() { # SLOT
	port=$(sed -n 's/.*--port \([0-9]*\).*/\1/p' "$units/app-$NAME@$1.service" | head -n 1)
	left=$(setting drain)
	sleep 1
	while [ -n "$port" ] && [ "$left" -gt 1 ] && connected "$port"; do
		left=$((left - 1))
		sleep 1
	done
}

connected() { # PORT
	grep -qs "^ *[0-9]*: [0-9A-F]*:$(printf '%04X' "$1") [0-9A-F:]* 01 " /proc/net/tcp /proc/net/tcp6
}
