"""``provision up``."""

from __future__ import annotations

from typing import Any

import click

from provision.cli.selection import Selection, command_line, selection_options


@click.command()
@selection_options
@click.option("--check", "-C", is_flag=True, help="Change nothing: the same as `provision plan`.")
@click.option("--retry", is_flag=True, help="Deploy also what was rolled back.")
@click.option("--resize", is_flag=True, help="Choose workers and memory limits anew where the app stays as it is.")
@click.option("--profile", is_flag=True, help="Show at the end which tasks took longest on each host.")
def up(check: bool, retry: bool, resize: bool, profile: bool, **options: Any) -> int:
    """Bring the hosts of INVENTORY (./inventory.yml) to what it says.

    Run it at any time: it changes what differs, restarts what is due, and then reads every host again as proof.

    \b
    Exit codes: 0 converged, 1 a host failed, 2 usage or configuration,
    3 a host unreachable, 4 locked by another run, 130 interrupted.
    """
    from provision.cli.running import start

    given = {"--check": check, "--retry": retry, "--resize": resize}
    flags = [flag for flag, is_given in given.items() if is_given]
    settings = [f"app_{name}=true" for name, is_given in (("retry", retry), ("resize", resize)) if is_given]
    options["assignments"] = (*options["assignments"], *settings)
    selection = Selection(**options)
    return start(selection, check=check, profile=profile, command=command_line("up", selection, *flags))
