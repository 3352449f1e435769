# Recognises an app that has run into the hardening of its unit, and names the variable that allows what it wants.
# Only a line that is in force is blamed, and a file only if it is there: so a variable that is set already is not named
# again, nor one for a device that the host does not have. Appended to slots.sh.

cause_by_hardening() { # UNIT LOG
	judged=$1 said=$2
	cause_in_setup || cause_in_memory || cause_in_sockets || cause_in_writing || cause_in_hidden_files ||
		cause_in_namespaces || cause_in_rights || cause_in_calls
}

blame() { # WHAT VARIABLE
	say "cause: the unit's hardening forbids $1;" "to allow it set $2 (docs/how-to/hardening.md)"
}

says() { # EXTENDED REGULAR EXPRESSION
	printf '%s\n' "$said" | grep -Eq -- "$1"
}

in_force() { # PROPERTY VALUE
	[ "$(systemctl show -P "$1" "$judged")" = "$2" ]
}

lists() { # PROPERTY WORD
	systemctl show -P "$1" "$judged" | tr ' ' '\n' | grep -Fqx -- "$2"
}

# The last path that the log has with a message, as Python, coreutils and sh write them.
path_with() { # MESSAGE
	printf '%s\n' "$said" |
		sed -n "s|.*$1: '\([^']*\)'.*|\1|p; s|.*'\([^']*\)': $1.*|\1|p; s|.* \(/[^:' ]*\):\{0,1\} $1.*|\1|p" | tail -n 1
}

# What the variables name and the host has not: systemd then starts nothing.
cause_in_setup() {
	path=$(printf '%s\n' "$said" | sed -n 's|.*set up mount namespacing: \(/[^:]*\): No such file.*|\1|p' | tail -n 1)
	if [ -n "$path" ]; then
		say "cause: ${path#/run/systemd/unit-root} is not on this host; make it, or see app_read_write_paths"
		return
	fi
	in_force ExecMainStatus 216 || return 1 # EXIT_GROUP, see systemd.exec(5)
	for group in $(systemctl show -P SupplementaryGroups "$judged"); do
		if ! getent group "$group" >/dev/null; then
			say "cause: there is no group $group on this host; see app_supplementary_groups"
			return
		fi
	done
	return 1
}

# LLVM, its Python side, cffi, glibc and V8 in their own words; then whoever asks Linux himself.
cause_in_memory() {
	in_force MemoryDenyWriteExecute yes || return 1
	says 'executable memory|memory executable|write\+execute memory|allocate section memory|enable executable stack' ||
		says 'Check failed: 12 == \(\*__errno_location' ||
		{ says 'Operation not permitted' && says 'PROT_EXEC|mprotect'; } || return 1
	blame "memory that is written and then executed, as compilers at run time use it" "app_allow_jit: true"
}

# Of AF_INET6, which the unit allows, a host without IPv6 says the same.
cause_in_sockets() {
	says 'Address family not supported by protocol' || return 1
	family=$(printf '%s\n' "$said" | grep -Eo 'AF_[A-Z0-9]+' | tail -n 1)
	[ -n "$family" ] || ! says "'::" || return 1
	family=${family:-AF_NETLINK}
	! lists RestrictAddressFamilies "$family" || return 1
	blame "sockets of the family $family" "app_address_families: [$family]"
}

cause_in_writing() {
	path=$(path_with 'Read-only file system')
	case $path in
	'' | "$build/.venv/"*) return 1 ;;
	"$build/app/"*)
		path=${path#"$build/app/"} folder=$(setting folder)
		beside_the_code "${path#"${folder:+$folder/}"}"
		;;
	/proc/* | /sys/*)
		say "cause: the app changes $path, a setting of the kernel's; let a role of yours do that with the module sysctl,"
		say "or set app_service_options: {ProtectKernelTunables: \"no\"} (docs/how-to/hardening.md)"
		;;
	/*)
		! may_write "$path" || return 1
		say "cause: the app writes $path, and may write only below \$STATE_DIRECTORY (/var/lib/app-$NAME), which is also"
		say "its HOME; write there, or set app_read_write_paths: [$(folder_of "$path")] (docs/how-to/hardening.md)"
		;;
	*) beside_the_code "${path#./}" ;;
	esac
}

beside_the_code() { # PATH
	say "cause: the app writes $1 in its own folder, which is read-only; write to \$STATE_DIRECTORY (/var/lib/app-$NAME),"
	say "which is also its HOME, or set app_writable: [$1]"
}

may_write() { # PATH
	for allowed in $(systemctl show -P ReadWritePaths "$judged"); do
		case $1/ in "$allowed/"*) return 0 ;; esac
	done
	return 1
}

# The nearest that is there: nothing else can be mounted.
folder_of() { # PATH
	found=$1
	while [ ! -d "$found" ]; do found=$(dirname "$found"); done
	say "$found"
}

cause_in_hidden_files() {
	for message in 'No such file or directory' 'does not exist' 'Permission denied' 'Operation not permitted'; do
		path=$(path_with "$message")
		if [ -e "$path" ] && hidden "$path" "$message"; then return; fi
	done
	says '/proc must be mounted' && hidden /proc/meminfo ''
}

# Is it there for others and not for the app?
hidden() { # PATH MESSAGE
	case $1 in
	/proc/*)
		in_force ProcSubset pid || return 1
		blame "to read $1" "app_allow_proc: true"
		;;
	/home/* | /root/* | /run/user/*)
		in_force ProtectHome yes || return 1
		blame "to read $1" "app_service_options: {ProtectHome: read-only}, or move it below /srv"
		;;
	/dev/*)
		if in_force PrivateDevices yes || [ "$2" = 'Operation not permitted' ]; then
			blame "to open devices such as $1" "app_devices: [$1]"
			return
		fi
		group=$(stat -L -c %G "$1")
		[ "$2" = 'Permission denied' ] && [ "$group" != root ] || return 1
		say "cause: $1 is for the group $group, and the app is not in it; set app_supplementary_groups: [$group]"
		;;
	*) return 1 ;;
	esac
}

# Chromium, bubblewrap, unshare(1), and whoever asks Linux himself.
cause_in_namespaces() {
	in_force RestrictNamespaces yes || return 1
	says 'No usable sandbox|[Mm]ove to new namespace|(new|user) namespace|unshare failed|CLONE_NEW|os\.unshare' || return 1
	blame "namespaces, of which sandboxes are made" "app_allow_namespaces: true"
}

# What root may do, and others with a capability.
cause_in_rights() {
	if says '[Pp]ermission denied' && says '\.bind\(|bind on address'; then
		right=CAP_NET_BIND_SERVICE what="to listen on a port below 1024"
	elif says 'Operation not permitted' && says 'SOCK_RAW|AF_PACKET|[Rr]aw socket'; then
		right=CAP_NET_RAW what="raw sockets"
	else
		return 1
	fi
	! systemctl show -P AmbientCapabilities "$judged" | grep -Fqiw "$right" || return 1
	blame "$what" "app_capabilities: [$right]"
}

# The call stands in the line of source that a traceback shows, or in the complaint itself.
cause_in_calls() {
	says 'Operation not permitted' || return 1
	for call in sched_setaffinity cpu_affinity sched_setscheduler sched_setparam setpriority nice ionice ioprio_set \
		set_mempolicy mbind move_pages chown lchown fchown chroot ptrace perf_event_open; do
		says "(^|[^a-z_])$call([^a-z_]|\$)" || continue
		# Of a group one tells for all; some are no system calls but Python's names of them.
		case $call in
		*chown) allow='"@chown"' tells=chown ;;
		chroot | ptrace | perf_event_open) allow=$call tells=$call ;;
		*) allow='"@resources"' tells=sched_setaffinity ;;
		esac
		if ! lists SystemCallFilter "$tells"; then
			blame "the system call $call" "app_system_calls: [$allow]"
			return
		fi
	done
	return 1
}
