"""Speed beside what SSH allows: `make bench`. Prints medians and ratios of runs made side by side.

    nothing to do   `provision up` on a converged host        beside   `ssh host true`
    first run       `provision up` on a bare host             beside   by_hand.sh, fed through one ssh

Each pair alternates, so that whatever else the machine does hits both. Times are wall clock in seconds.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from provision.lab.lab import Lab, base_folder
from provision.lab.provider import Host, Image

HERE = Path(__file__).parent
NOTES = HERE.parent / "apps" / "notes"
PROVISION = Path(sys.executable).with_name("provision")
UV_VERSION = "0.13.9"
NAME = "notes.bench.internal"


def seconds(command: Sequence[str], stdin: bytes = b"") -> float:
    """Wall clock of one command; a failing one ends the benchmark with what it said."""
    began = time.perf_counter()
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    taken = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}")
    return taken


def source() -> bytes:
    """The app and by_hand.sh as one tar.gz, as `git archive` would make it."""
    names = subprocess.run(["git", "ls-files"], cwd=NOTES, capture_output=True, text=True, check=True).stdout
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in names.splitlines():
            archive.add(NOTES / name, name)
        archive.add(HERE / "by_hand.sh", "by_hand.sh")
    return buffer.getvalue()


def by_hand(host: Host) -> float:
    """The job of a first run, by script."""
    unpack = "mkdir -p /srv/notes/app && cd /srv/notes/app && tar -xz && "
    return seconds(host.ssh(f"{unpack} UV_VERSION={UV_VERSION} sh by_hand.sh"), source())


def pairs(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[list[float], list[float]]:
    """``rounds`` runs of each, in turn."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        found[0].append(ours())
        found[1].append(theirs())
    return found


def report(case: str, limit: float, ours: list[float], name: str, theirs: list[float]) -> bool:
    """One line of the table; True where the target is met."""
    ratio = statistics.median(ours) / statistics.median(theirs)
    met = ratio <= limit
    print(
        f"{case:15} provision {statistics.median(ours):6.2f} s ({min(ours):.2f}-{max(ours):.2f})   "
        f"{name} {statistics.median(theirs):6.2f} s ({min(theirs):.2f}-{max(theirs):.2f})   "
        f"ratio {ratio:.2f}   target {limit} {'met' if met else 'MISSED'}"
    )
    return met


def main() -> int:
    """Boot hosts, run all cases, print the table; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="runs with nothing to do")
    parser.add_argument("--first-runs", type=int, default=3, help="first runs, each on a fresh host")
    options = parser.parse_args()
    lab = Lab.up("bench", base_folder(os.environ), count=2, image=Image())
    try:
        with tempfile.TemporaryDirectory() as folder:
            return measure(lab, Path(folder) / "inventory.yml", options.rounds, options.first_runs)
    finally:
        lab.down()


def measure(lab: Lab, inventory: Path, rounds: int, first_runs: int) -> int:
    """All cases on the two hosts of the lab: the first is ours, the second the script's."""
    variables = {"app_source": str(NOTES), "caddy_domain": NAME, "caddy_source": "distro", "caddy_tls": "internal"}
    up = [str(PROVISION), "up", str(inventory), "--limit", lab.hosts[0].name]

    def first_run() -> float:
        lab.reset(lab.hosts[0])
        lab.write_inventory(inventory, {**variables, "app_workers": 2})
        return seconds(up)

    def first_by_hand() -> float:
        return by_hand(lab.reset(lab.hosts[1]))

    firsts = pairs(first_runs, first_run, first_by_hand)
    seconds(up)
    nothing = pairs(rounds, lambda: seconds(up), lambda: seconds(lab.hosts[0].ssh("true")))
    versions = subprocess.run([str(PROVISION), "version"], capture_output=True, text=True, check=True).stdout
    print(versions.strip())
    met = [
        report("nothing to do", 3.0, nothing[0], "ssh host true", nothing[1]),
        report("first run", 1.3, firsts[0], "by_hand.sh   ", firsts[1]),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
