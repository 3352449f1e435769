"""``provision rollback``."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import Connecting, host_options
from provision.cli.options import inventory_of, lock_option

if TYPE_CHECKING:
    from provision.ops.rollback import RollbackPlay
    from provision.ops.targets import Targets
    from provision.report import Report
    from provision.run import Run
    from provision.transport.protocol import Connection, Login
    from provision.vault import Vault


@click.command()
@host_options
@click.option("--to", type=click.IntRange(1), metavar="N", help="To this deployment of each host; see `releases`.")
@click.option("--check", "-C", is_flag=True, help="Change nothing: show to which deployment each host would go back.")
@lock_option
@click.option("--app", metavar="NAME", help="Another app than the inventory's.")
@click.option("--verbose", "-v", is_flag=True, help="Show the output of each step too.")
@click.option("--json", is_flag=True, help="Print JSON lines, one event each, and nothing else.")
def rollback(
    inventory: Path,
    limit: tuple[str, ...],
    connecting: Connecting,
    vault: Vault,
    to: int | None,
    check: bool,
    lock_timeout: int,
    app: str | None,
    verbose: bool,
    json: bool,
) -> int:
    """Let the deployment before the newest serve again on the hosts of INVENTORY (./inventory.yml).

    With the release, dependencies, environment and sizes it had, by the way of every deployment: it serves once it has
    answered, and no request is lost. A host that a stopped roll left with it stays as it is. Nothing is built, no
    migration is run, and THE DATABASE STAYS AS IT IS: the old code must work with the new schema.

    All hosts are asked first: if one does not answer, nothing is changed on any; --limit 'all:!HOST' leaves it out.
    Until the app changes, `provision up` ends with 1 and leaves alone what serves; --retry deploys it again.

    \b
    Exit codes: 0 rolled back, 1 a host failed, 2 usage or configuration,
    3 a host unreachable, 4 locked by another run, 130 interrupted.
    """
    from provision.cli.running import carry_out
    from provision.ops.targets import Targets
    from provision.options import Options
    from provision.report import Detail
    from provision.run import Run

    def make(report: Report, connect: Callable[[Login], Connection]) -> Run:
        targets = Targets(inventory_of(inventory), limit, vault=vault)
        plays = _plays(targets, app, to, report, connect)
        words = ["provision", "rollback", str(inventory), *(["--to", str(to)] if to else [])]
        return Run(plays, Options(check=check, lock_timeout=lock_timeout, command=shlex.join(words)), report, connect)

    detail = Detail(check=check, verbose=verbose, command="provision rollback")
    return carry_out(make, Run.execute, detail, connecting, json=json)


def _plays(
    targets: Targets, app: str | None, to: int | None, report: Report, connect: Callable[[Login], Connection]
) -> list[tuple[RollbackPlay, Login]]:
    """What there is to do on each host that goes back. Raises the first error of a host."""
    from provision.cli.releases import read_releases
    from provision.events import Confidential, Notice
    from provision.ops.releases import rollback_targets
    from provision.ops.rollback import Rollback, RollbackPlay
    from provision.run import given_secrets

    report(Confidential("", tuple(given_secrets(host.variables for host in targets.hosts))))
    apps = {host.name: (host, targets.login(host), name) for host, name in targets.apps(app)}
    report(Confidential("", tuple(targets.inventory.vault.revealed)))
    collector = read_releases([(login, name) for _, login, name in apps.values()], connect, threading.Event())
    if collector.errors:
        (name, error), *others = collector.errors.items()
        for other, trouble in others:
            report(Notice(other, trouble.message))
        error.message = f"{name}: {error.message}"
        raise error
    plays = []
    for name, target in rollback_targets(collector.records(), to).items():
        if target is None:
            report(Notice(name, "serves it already"))
            continue
        report(Notice(name, f"goes back to deployment {target.number}, made {target.when}"))
        host, login, app_name = apps[name]
        env = targets.app_env(host)
        resource = Rollback(name=app_name, number=target.number, digest=target.digest, env=env)
        plays.append((RollbackPlay(resource), login))
    report(Notice("", "the database stays as it is"))
    return plays
