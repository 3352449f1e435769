"""What reading a host costs the host itself: the script of a first trip, with more and more resources in it."""

from __future__ import annotations

import re
import statistics
import subprocess
from collections.abc import Iterator

from tests.benchmarks.measured import Failed

from provision import script
from provision.lab.provider import Host
from provision.resources.base import Digest, Package, Read, Stat, Unit

COUNTS = (20, 100, 500)
"""Resources."""

_MAKE = """\
mkdir -p /srv/survey && cd /srv/survey
for i in $(seq 500); do head -c 4096 /dev/urandom >$i; mkdir -p $i.d; done
"""


def processor_times(host: Host, rounds: int) -> dict[int, float]:
    """Seconds of processor that the host needs to read itself, the median of ``rounds``, by the number of resources."""
    _ssh(host, _MAKE)
    packages = _ssh(host, "dpkg-query -W -f '${Package}\\n'").split()
    units = re.findall(r"^(\S+\.service)", _ssh(host, "systemctl list-unit-files --plain --no-legend"), re.MULTILINE)
    return {
        count: statistics.median(_once(host, set(_reads(count, packages, units))) for _ in range(rounds))
        for count in COUNTS
    }


def _reads(count: int, packages: list[str], units: list[str]) -> Iterator[Read]:
    """Of ten resources six are files with a content, two folders, one a package, one a service."""
    for number in range(1, count + 1):
        match number % 10:
            case 0:
                yield Package(packages[number // 10 % len(packages)])
            case 1:
                yield Unit(units[number // 10 % len(units)])
            case 2 | 3:
                yield Stat(f"/srv/survey/{number}.d")
            case _:
                yield from (Stat(f"/srv/survey/{number}"), Digest(f"/srv/survey/{number}"))


def _once(host: Host, reads: set[Read]) -> float:
    survey = script.survey(reads, contents=False)["main"].decode()
    # bash, since the times of dash are counted in hundredths.
    said = _ssh(host, """nonce=survey bash -c 'TIMEFORMAT="%U %S"; time sh -s >/dev/null' 2>&1""", survey)
    return sum(map(float, said.split()))


def _ssh(host: Host, command: str, stdin: str = "") -> str:
    done = subprocess.run(host.ssh(command), input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{command} ended with {done.returncode}: {done.stderr}")
    return done.stdout
