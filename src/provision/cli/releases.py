"""``provision releases``: the deployments that hosts have on record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import Connecting, host_options
from provision.cli.options import inventory_of

if TYPE_CHECKING:
    from provision.ops.releases import Collector
    from provision.transport.protocol import Connection, Login
    from provision.vault import Vault


@click.command()
@host_options
@click.option("--app", metavar="NAME", help="Another app than the inventory's.")
@click.option("--json", is_flag=True, help="Print JSON lines, one deployment each.")
def releases(
    inventory: Path, limit: tuple[str, ...], connecting: Connecting, vault: Vault, app: str | None, json: bool
) -> int:
    """Show the deployments of the app that the hosts of INVENTORY (./inventory.yml) have on record, the newest first.

    A deployment is a release with its dependencies, environment and sizes. Its state is: serving; down (it should serve
    and does not run); kept; failed (it never served); or rolled-back, which `up` does not deploy again by itself.
    Numbers are counted by each host for itself; equal releases have equal digests.

    \b
    Exit codes: 0 shown, 1 a host failed, 2 usage or configuration,
    3 a host unreachable, 130 interrupted.
    """
    from provision.cli.hosts import Quiet
    from provision.ops.side_by_side import exit_code
    from provision.ops.targets import Targets
    from provision.report.releases import print_releases

    targets = Targets(inventory_of(inventory), limit, vault=vault)
    apps = [(targets.login(host), name) for host, name in targets.apps(app)]
    stopping = threading.Event()
    collector = read_releases(apps, connecting.connector(Quiet(), stopping), stopping)
    print_releases([login.name for login, _ in apps], collector.records(), collector.errors, json=json)
    return exit_code(collector.ends)


def read_releases(
    apps: Sequence[tuple[Login, str]], connect: Callable[[Login], Connection], stopping: threading.Event
) -> Collector:
    """Ask hosts for the deployments of their apps. Raises click.Abort after Ctrl-C."""
    from provision.cli.work import interruptible
    from provision.ops.releases import Collector, reading

    collector = Collector([login.name for login, _ in apps])
    work = reading(apps, collector, connect)
    with interruptible(work, stopping):
        work.execute()
    return collector
