"""``provision test``: a role on a test host of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.image_options import distro_option, flavour_option
from provision.cli.vault_options import vault_options
from provision.lab.lab import PROVIDERS

if TYPE_CHECKING:
    from provision.vault import Vault


@click.command()
@click.argument("role", metavar="ROLE_FOLDER", type=click.Path(path_type=Path))
@distro_option("distros", "; repeatable, for a host of each", multiple=True)
@flavour_option("--flavour")
@click.option(
    "--provider",
    type=click.Choice(list(PROVIDERS)),
    default="nspawn",
    show_default=True,
    help="What makes the hosts: containers, VMs, or VMs of Vagrant.",
)
@click.option("--keep", is_flag=True, help="Leave the hosts for a look; it is said how to log in and how to end them.")
@click.option("--verbose", "-v", is_flag=True, help="Show what each run does, the output of its steps, and pytest.")
@vault_options
def test(
    role: Path, distros: tuple[str, ...], flavour: str, provider: str, keep: bool, verbose: bool, vault: Vault
) -> int:
    """Test the role in ROLE_FOLDER on a fresh host: create, converge, idempotence, verify, destroy.

    The host comes from `provision lab` and is removed at the end, whatever happens. Idempotence is a second run, which
    must change nothing, in one trip. All that may be found wrong without a host is found before there is one.

    \b
    tests/ of the role says what is tested:
      vars.yml       variables, as in an inventory; roles: what runs before it
      verify.yml     tasks none of which may have anything to do
      test_*.py      tests for pytest with pytest-testinfra

    \b
    Exit codes: 0 all steps passed, 1 a step failed,
    2 usage or configuration, 130 interrupted.
    """
    from provision.bench.pytest_ import require_pytest
    from provision.bench.scenario import read_scenario
    from provision.bench.sequence import Bench
    from provision.cli.bench import Runs
    from provision.lab.claim import claimed
    from provision.lab.lab import Lab, base_folder
    from provision.lab.provider import Image
    from provision.report.bench import BenchReport

    scenario = read_scenario(role, vault)
    require_pytest(scenario.tests)
    base = base_folder(os.environ)
    images = [Image(distro, flavour) for distro in dict.fromkeys(distros)]
    # What was kept is its user's to end; all else that an earlier test has left was left by one that was killed.
    with claimed("kept" if keep else "test", lambda free: not (keep and Lab(free, base).hosts)) as name:
        Lab(name, base).down()
        lab = Lab(name, base, provider)
        for image in images:
            if not lab.image_ready(image):
                click.echo(f"Preparing the image {image}; the next test has it already.", err=True)
        report = BenchReport(scenario.role.name, sys.stdout, verbose=verbose)
        bench = Bench(scenario, lab, Runs(scenario.variables, verbose=verbose), report, keep=keep, show=verbose)
        try:
            passed = [bench.test(image) for image in images]
        finally:
            if not (keep and lab.hosts):
                lab.down()
        report.close()
    return 0 if all(passed) else 1
