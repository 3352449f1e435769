"""``provision status``: what runs on hosts, and how they are."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provision.cli.failures import keep_secret
from provision.cli.hosts import Connecting, Quiet, forks_option, host_options
from provision.cli.options import inventory_of

if TYPE_CHECKING:
    from provision.ops.status_run import Seen
    from provision.vault import Vault

INTERVAL = 2.0
"""Seconds between two looks of ``--watch``, as of watch(1)."""


class _Seconds(click.types.FloatParamType):
    """One second to a day; what stands behind ``--watch`` may have been meant for the inventory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            seconds = float(value)
        except ValueError:
            hint = f"the inventory comes first: provision status {value} --watch"
            raise click.UsageError(f"--watch: {value!r} is no number of seconds\n{hint}", ctx) from None
        if not 1 <= seconds <= 86400:
            raise click.UsageError(f"--watch: {value} is not between 1 and 86400 seconds", ctx)
        return seconds


@click.command()
@host_options
@click.option(
    "--watch",
    "-w",
    type=_Seconds(),
    is_flag=False,
    flag_value=INTERVAL,
    metavar="[SECONDS]",
    help=f"Look again every so many seconds, {INTERVAL:g} without a number, until Ctrl-C.",
)
@click.option("--no-drift", is_flag=True, help="Do not compare the hosts with the inventory; secrets are not read.")
@forks_option
@click.option("--json", is_flag=True, help="Print JSON lines, one object for each host and look.")
def status(
    inventory: Path,
    limit: tuple[str, ...],
    connecting: Connecting,
    vault: Vault,
    watch: float | None,
    no_drift: bool,
    forks: int,
    json: bool,
) -> int:
    """Show how the hosts of INVENTORY (./inventory.yml) are, and what runs on them. Nothing is changed there.

    Of each app: its slot, deployment, time up, restarts, and the workers with memory and CPU. Of each host: memory
    beside the target of 50-90 %, disks, certificates, the last run on record, and drift: how many changes `plan` would
    find, or why that is unknown. All of it takes one trip; with --watch drift is looked at every 30 s only, beside the
    inventory as it was at the start.

    Memory of processes is their proportional set size (PSS). CPU is what a process used within half a second, in per
    cent of one core, in steps of 2.

    With --json each line is an object: event (status), host, now (the host's clock, RFC 3339, UTC), system, cores,
    load, memory_mb, available_mb, used_percent, apps, services, disks, certificates, last_run and drift; or event
    (host_failed), host and error, as `up --json` has it.

    \b
    Exit codes: 0 shown, 1 a host failed, 2 usage or configuration,
    3 a host unreachable, 130 interrupted.
    """
    from provision.cli.work import interruptible
    from provision.masking import Mask
    from provision.ops.status_run import Look, StatusRun, exit_code, targets_of
    from provision.ops.targets import Targets
    from provision.report.status import print_status
    from provision.report.status_watch import watch_status

    targets = Targets(inventory_of(inventory), limit, vault=vault)
    stopping, mask = threading.Event(), Mask()
    keep_secret(mask)
    connector = connecting.connector(Quiet(), stopping)
    with contextlib.closing(connector):
        connector.begin([targets.login(host) for host in targets.hosts])
        looks = [Look(target, connector, mask) for target in targets_of(targets, mask, drift=not no_drift)]
        run = StatusRun(looks, interval=watch, forks=forks)
        names = [look.name for look in looks]
        seen: dict[str, Seen] = {}
        with interruptible(run, stopping), contextlib.closing(run.seen()) as found:
            looked = _remembered(found, seen)
            if watch is not None:
                watch_status(names, looked, interval=watch, json=json)
            else:
                deque(looked, maxlen=0)
    if watch is None:
        print_status(names, seen, json=json)
    return exit_code(list(seen.values()))


def _remembered(looks: Iterable[Seen], seen: dict[str, Seen]) -> Iterator[Seen]:
    """Pass on ``looks``, and keep the last of each host."""
    for look in looks:
        seen[look.host] = look
        yield look
