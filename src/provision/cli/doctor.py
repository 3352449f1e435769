"""``provision doctor``: is all well with hosts?"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import Connecting, forks_option, host_options
from provision.cli.options import inventory_of, set_option, variables

if TYPE_CHECKING:
    from provision.vault import Vault


@click.command()
@host_options
@set_option
@forks_option
@click.option("--json", is_flag=True, help="Print JSON lines, one check each.")
def doctor(
    inventory: Path,
    limit: tuple[str, ...],
    connecting: Connecting,
    vault: Vault,
    assignments: tuple[str, ...],
    forks: int,
    json: bool,
) -> int:
    """Look for what is wrong with the hosts of INVENTORY (./inventory.yml), before the first `up` and after it.

    From this machine: whether each name leads to the host by IPv4 and IPv6, whether its ports can be reached, what its
    certificates say, and what it answers. On the host, in one trip that changes nothing: its system, clock, memory and
    disks, its way to the outside, who listens on its ports, and the app. What cannot be known yet is said to be so.

    With --json each line is an object: event (check), host, id, subject (the name, where a check is made for each),
    status (ok, warn, fail or skipped), found and advice; or event (host_failed), host and error, as `up --json` has it.

    \b
    Exit codes: 0 nothing is wrong, or only warnings; 1 a check or a host failed,
    2 usage or configuration, 3 a host unreachable, 130 interrupted.
    """
    from provision.cli.hosts import Quiet
    from provision.cli.work import interruptible
    from provision.ops.doctor.examine import Doctor, Patient
    from provision.ops.doctor.wanted import wanted
    from provision.ops.targets import Targets
    from provision.report.doctor import print_findings

    targets = Targets(inventory_of(inventory), limit, variables(assignments, vault), vault)
    patients = [Patient(targets.login(host), wanted(targets, host)) for host in targets.hosts]
    targets.ensure_set_is_used()
    stopping = threading.Event()
    connect = connecting.connector(Quiet(), stopping)
    asked = Doctor(patients, forks)
    asked.outside()
    work = asked.inside(connect)
    with interruptible(work, stopping):
        work.execute()
    found = asked.findings()
    print_findings([host.name for host in targets.hosts], found, json=json)
    return found.exit_code
