# Writes the files of one slot and its unit's trials. Appended to state.sh. Every file is complete before it gets its
# name, and no file of the active slot is ever written.
# From the caller: INPUT, a deployment as files (meta, unit, env, and migrate_unit and migrate where it migrates).

say() {
	printf '%s\n' "$@"
}

setting() { # KEY
	value "$INPUT/meta" "$1"
}

put() { # PATH MODE OWNER, content on stdin
	(umask 077 && cat >"$1.new")
	chown "$3" "$1.new"
	chmod "$2" "$1.new"
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
		-e "s|@build@|$build|g" -e "s|@stamp@|$(setting stamp)|g"
}

# What the app's process is given, whatever it is started for: its user, folders, environment and limits.
process_lines() { # SLOT
	fill "$1" <"$INPUT/unit" | sed -n '/^\[Service\]/,/^\[Install\]/ {
		/^#\|^\[\|^$\|^Exec[A-Za-z]*=\|^Type=\|^Restart[A-Za-z]*=\|^TimeoutStopSec=\|^KillMode=/d
		p
	}'
}

# Conditions keep a unit from being started that has neither the link nor a trial; enabling it is harmless.
write_slot() { # SLOT
	mkdir -p "$settings" "$home/slots/$1" "$home/migrated" "$trials"
	fill "$1" <"$INPUT/unit" | put "$units/app-$NAME@$1.service" 0644 root:root
	put "$settings/$1.env" 0600 root:root <"$INPUT/env"
	if [ -e "$INPUT/migrate" ]; then
		{ fill "$1" <"$INPUT/migrate_unit" && process_lines "$1"; } |
			put "$units/app-$NAME-migrate@$1.service" 0644 root:root
		put "$settings/$1.migrate" 0640 "root:app-$NAME" <"$INPUT/migrate"
	else
		rm -f -- "$units/app-$NAME-migrate@$1.service" "$settings/$1.migrate"
	fi
	preflight_unit "$1" | put "/run/systemd/system/app-$NAME-preflight.service" 0644 root:root
	systemctl daemon-reload
	enable_slots
}

# A slot starts at boot if the link names it; the link can be renamed at any time, so both are enabled.
enable_slots() {
	for file in "$units/app-$NAME@blue.service" "$units/app-$NAME@green.service"; do
		[ ! -e "$file" ] || systemctl --quiet enable "${file##*/}"
	done
}

# The record of a deployment gets its name when it is complete, and is never written again.
write_record() { # SLOT, sets number and record
	last=0
	for folder in "$home"/deployments/[0-9]*; do
		[ "${folder##*/}" -gt "$last" ] 2>/dev/null && last=${folder##*/}
	done
	number=$((last + 1))
	record=$home/deployments/$number
	mkdir -p "$home/deployments"
	chmod 0700 "$home/deployments"
	rm -rf -- "$home/deployments/.new"
	mkdir -m 0700 "$home/deployments/.new"
	for file in unit env migrate_unit migrate; do
		[ ! -e "$INPUT/$file" ] || cp -- "$INPUT/$file" "$home/deployments/.new/$file"
	done
	{
		grep -v '^\(slot\|previous\|when\)=' "$INPUT/meta"
		printf '%s\n' "slot=$1" "previous=$PREVIOUS" "when=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
	} >"$home/deployments/.new/meta"
	(
		set -- "$units/app-$NAME@$1.service" "$settings/$1.env" \
			"$units/app-$NAME-migrate@$1.service" "$settings/$1.migrate"
		for file in "$@"; do
			[ ! -e "$file" ] || sha256sum "$file"
		done
	) >"$home/deployments/.new/manifest"
	mv -T -- "$home/deployments/.new" "$record"
	say "$number" | put "$home/slots/$1/$1" 0644 root:root
	sync -f "$record"
	sync -f "$units"
	sync -f "$settings"
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

stop_slot() { # SLOT
	rm -f -- "$trials/trial-$1"
	systemctl stop "app-$NAME@$1.service" 2>/dev/null || :
	systemctl reset-failed "app-$NAME@$1.service" "app-$NAME-migrate@$1.service" 2>/dev/null || :
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
