"""Print who listens on a TCP port of this host: program, pid and unit. Run as root by the build's own Python."""

from __future__ import annotations

import glob
import os
import sys

LISTEN = "0A"


def inodes(port: int) -> set[str]:
    """The sockets that listen on ``port``, as /proc numbers them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            with open(table) as file:
                rows = [line.split() for line in file][1:]
            found |= {row[9] for row in rows if row[3] == LISTEN and int(row[1].rpartition(":")[2], 16) == port}
    return found


def main() -> None:
    """One line for each process."""
    sockets = {f"socket:[{inode}]" for inode in inodes(int(sys.argv[1]))}
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            if any(os.readlink(link) in sockets for link in glob.glob(f"{folder}/fd/*")):
                with open(f"{folder}/comm") as comm, open(f"{folder}/cgroup") as cgroup:
                    unit = cgroup.read().strip().rpartition("/")[2]
                    print(f"{comm.read().strip()} (pid {folder.rpartition('/')[2]}, {unit})")
        except OSError:
            continue


if __name__ == "__main__":
    main()
