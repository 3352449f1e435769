"""``provision rollback``."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import Connecting, host_options
from provision.cli.options import inventory_of, lock_option

if TYPE_CHECKING:
    from provision.report import Report
    from provision.run import Run
    from provision.transport.protocol import Connection, Login


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

    `provision up` does not deploy again what was rolled back, until it changes or --retry is given.

    \b
    Exit codes: 0 rolled back, 1 a host failed, 2 usage or configuration,
    3 a host unreachable, 4 locked by another run, 130 interrupted.
    """
    from provision.errors import ProvisionError
    from provision.report import print_error

    try:
        return _rollback(inventory, limit, connecting, to, check, lock_timeout, app, verbose, json)
    except ProvisionError as error:
        print_error(error, json=json)
        return error.exit_code


def _rollback(
    inventory: Path,
    limit: tuple[str, ...],
    connecting: Connecting,
    to: int | None,
    check: bool,
    lock_timeout: int,
    app: str | None,
    verbose: bool,
    json: bool,
) -> int:
    from provision.cli.releases import read_releases, worst
    from provision.cli.running import carry_out
    from provision.events import Notice
    from provision.ops.releases import rollback_targets
    from provision.ops.rollback import Rollback, RollbackPlay
    from provision.ops.targets import Targets
    from provision.options import Options
    from provision.report import Detail, print_error
    from provision.run import Run

    connecting = connecting.with_password()
    targets = Targets(inventory_of(inventory), limit)
    found = targets.apps(app)
    apps = {host.name: name for host, name in found}
    logins = {host.name: targets.login(host) for host, _ in found}
    collector = read_releases([(logins[name], app_name) for name, app_name in apps.items()], connecting)
    for name, error in collector.errors.items():
        error.message = f"{name}: {error.message}"
        print_error(error, json=json)
    if collector.errors:
        return worst(collector)
    chosen = rollback_targets(collector.records(list(apps)), to)

    def make(report: Report, connect: Callable[[Login], Connection]) -> Run:
        plays = []
        for name, target in chosen.items():
            if target is None:
                report(Notice(name, "serves it already"))
                continue
            report(Notice(name, f"goes back to deployment {target.number}, made {target.when}"))
            resource = Rollback(name=apps[name], number=target.number, digest=target.digest)
            plays.append((RollbackPlay(resource), logins[name]))
        report(Notice("", "the database stays as it is"))
        words = ["provision", "rollback", str(inventory), *(["--to", str(to)] if to else [])]
        options = Options(check=check, lock_timeout=lock_timeout, command=shlex.join(words))
        return Run(plays, options, report, connect)

    detail = Detail(check=check, verbose=verbose, command="provision rollback")
    return carry_out(make, Run.execute, detail, connecting, json=json)
