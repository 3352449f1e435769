# Writes the files of one slot and the record of its deployment. Appended to state.sh and slots.sh. Every file is
# complete before it gets its name, and no file of the active slot is ever written.
# From the caller: INPUT, a deployment as files. Always there: meta, unit, env. Where the app has such: migrate_unit and
# migrate; writable, lines "d PATH" and "f PATH"; files, lines "NUMBER PATH", with file-NUMBER; process-NAME, a unit;
# static, lines "PREFIX FOLDER".

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
	write_processes "$1"
	write_files "$1"
	write_static "$1"
	copy_shipped "$state_folder/writable"
	preflight_unit "$1" | put "/run/systemd/system/app-$NAME-preflight.service" 0644 root:root
	systemctl daemon-reload
	enable_slots
}

# The app's further processes: the slot's properties, a command of their own.
write_processes() { # SLOT
	for each in $(process_units "$1"); do
		systemctl --quiet disable "$each"
		rm -f -- "$units/$each"
	done
	for file in "$INPUT"/process-*; do
		[ -e "$file" ] || continue
		process=${file##*/process-}
		[ ! -e "/srv/$NAME-$process" ] || {
			say "the process $process of $NAME would have the units of the app $NAME-$process; give it another name"
			exit 1
		}
		{ fill "$1" <"$file" && process_lines "$1"; } | put "$units/app-$NAME-$process@$1.service" 0644 root:root
	done
}

# The app reads them and cannot write them.
write_files() { # SLOT
	rm -rf -- "$settings/$1.files"
	[ -e "$INPUT/files" ] || return 0
	install -d -m 0750 -g "app-$NAME" "$settings/$1.files"
	while read -r number path; do
		mkdir -p "$(dirname "$settings/$1.files/$path")"
		put "$settings/$1.files/$path" 0640 "root:app-$NAME" <"$INPUT/file-$number"
	done <"$INPUT/files"
}

# What Caddy serves itself: links into the build, laid out as URLs are. Caddy finds them through the slot that the link
# names, so that they are switched with it.
write_static() { # SLOT
	rm -rf -- "$home/slots/$1/static"
	[ -e "$INPUT/static" ] || return 0
	while read -r prefix folder; do
		link=$home/slots/$1/static${prefix%/}
		mkdir -p "$(dirname "$link")"
		ln -s "$build/app/$folder" "$link"
	done <"$INPUT/static"
}

# What the source has where the app writes becomes its data, once. As the app's user: root would follow a link that the
# app has put there.
copy_shipped() { # FOLDER
	[ -e "$INPUT/writable" ] || return 0
	install -d -m 0750 -o "app-$NAME" -g "app-$NAME" "$(dirname "$1")"
	while read -r _ path; do
		# shellcheck disable=SC2016 # the inner shell replaces them
		setpriv --reuid="app-$NAME" --regid="app-$NAME" --init-groups sh -euc '
			umask 077
			from=$1 to=$2
			[ ! -e "$to" ] || exit 0
			mkdir -p "$(dirname "$to")"
			rm -rf -- "$to.new"
			cp -RP -- "$from" "$to.new"
			sync -f "$to.new"
			mv -T -- "$to.new" "$to"
		' sh "$build/app/$(setting folder)/$path" "$1/$path" </dev/null
	done <"$INPUT/writable"
}

# A slot starts at boot if the link names it; the link can be renamed at any time, so both are enabled.
enable_slots() {
	for each in $(boot_units); do
		systemctl --quiet enable "$each"
	done
}

# The files of a slot that its deployment wrote.
slot_files() { # SLOT
	for each in "$units/app-$NAME@$1.service" "$settings/$1.env" \
		"$units/app-$NAME-migrate@$1.service" "$settings/$1.migrate"; do
		[ ! -e "$each" ] || say "$each"
	done
	process_units "$1" | sed "s|^|$units/|"
	[ ! -d "$settings/$1.files" ] || find "$settings/$1.files" -type f
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
	for file in unit env migrate_unit migrate writable files static; do
		[ ! -e "$INPUT/$file" ] || cp -- "$INPUT/$file" "$home/deployments/.new/$file"
	done
	for file in "$INPUT"/file-* "$INPUT"/process-*; do
		[ ! -e "$file" ] || cp -- "$file" "$home/deployments/.new/"
	done
	{
		grep -v '^\(slot\|previous\|when\)=' "$INPUT/meta"
		printf '%s\n' "slot=$1" "previous=$PREVIOUS" "when=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
	} >"$home/deployments/.new/meta"
	slot_files "$1" | while read -r file; do sha256sum "$file"; done >"$home/deployments/.new/manifest"
	# Before it has its name: after a power cut its files might be there, and empty.
	sync -f "$home/deployments/.new"
	mv -T -- "$home/deployments/.new" "$record"
	say "$number" | put "$home/slots/$1/$1" 0644 root:root
	sync -f "$record"
	sync -f "$units"
	sync -f "$settings"
}
