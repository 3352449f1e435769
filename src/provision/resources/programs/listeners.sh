# Who listens on TCP ports of this host. Functions only; /proc, awk and find are enough, for ss may not be there.

# A line "PORT PID UNIT PROGRAM" for each unit and port; pid 0 and unit - where no process of this host holds it.
listeners() { # PORT...
	for port in "$@"; do
		inodes=$(awk -v end=":$(printf '%04X' "$port")" '
			$4 == "0A" && substr($2, length($2) - 4) == end { print $10 }
		' /proc/net/tcp /proc/net/tcp6 2>/dev/null | sort -u)
		[ -z "$inodes" ] || holders "$port" "$inodes" | sort -u -k 3
	done
}

holders() { # PORT INODES
	pids=$(find /proc/[0-9]*/fd -type l -printf '%p %l\n' 2>/dev/null | awk -v inodes="$2" '
		BEGIN { split(inodes, list, "\n"); for (i in list) wanted["socket:[" list[i] "]"] }
		$2 in wanted { split($1, part, "/"); print part[3] }
	' | sort -n -u)
	[ -n "$pids" ] || echo "$1 0 - another name space"
	for pid in $pids; do
		unit=$(sed -n 's!^\(0::\|.*:name=systemd:\).*/!!p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)
		echo "$1 $pid ${unit:--} $(cat "/proc/$pid/comm" 2>/dev/null)"
	done
}
