"""``provision lab``: test hosts on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import click
import yaml

from provision.cli.image_options import distro_option, flavour_option
from provision.errors import ConfigError
from provision.lab.lab import PROVIDERS, Lab, base_folder, labs
from provision.lab.provider import Host, Image

_NAME = click.option(
    "--name", metavar="NAME", default="lab", show_default=True, help="Name of the lab; its hosts are NAME1, NAME2, ..."
)


@click.group()
def lab() -> None:
    """Real test hosts on this machine: containers, or VMs, each with a systemd and an sshd of its own.

    Needs root on Linux; VMs of Vagrant need what Vagrant needs.
    """


@lab.command()
@_NAME
@click.option(
    "--provider",
    type=click.Choice(list(PROVIDERS)),
    help="nspawn: containers, up in two seconds; qemu: VMs with a kernel, memory and disk of their own; vagrant: VMs "
    "that Vagrant makes. A lab that exists keeps its own.  [default: nspawn]",
)
@click.option("--count", type=click.IntRange(1, 99), metavar="N", default=1, show_default=True, help="How many hosts.")
@distro_option("distro")
@flavour_option("--image", " On Vagrant's hosts vagrant logs in and has sudo, whatever is said here.")
@click.option(
    "--inventory",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the inventory of the hosts.  [default: inventories/NAME.yml]",
)
@click.option("--var", "assignments", metavar="K=V", multiple=True, help="A variable for all hosts; V is YAML.")
def up(
    name: str,
    provider: str | None,
    count: int,
    distro: str,
    image: str,
    inventory: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Boot the hosts of a lab and write their inventory.

    Hosts that run are kept, missing ones are added, and what a crash or a reboot left broken is repaired.
    """
    variables = dict(_variable(assignment) for assignment in assignments)
    inventory = inventory or Path("inventories", f"{name}.yml")
    this = Lab(name, base_folder(os.environ), provider)
    this.refuse_foreign(inventory)
    wanted = Image(distro, image)
    if not this.image_ready(wanted):
        click.echo(f"Preparing the image {wanted}; the next lab has it already.", err=True)
    this.ensure(count, wanted)
    this.write_inventory(inventory, variables)
    for host in this.hosts:
        click.echo(f"{host.name}  {host.address}")
    click.echo(f"Next: provision up {inventory}", err=True)


@lab.command("list")
def list_() -> None:
    """Print name, address and state of every host of every lab."""
    for this in labs(base_folder(os.environ)):
        for host in this.hosts:
            click.echo(f"{host.name}  {host.address}  {'running' if this.running(host) else 'stopped'}")


@lab.command(context_settings={"ignore_unknown_options": True}, short_help="Log in to a host, or run a command there.")
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(host: str, command: tuple[str, ...]) -> None:
    """Log in to HOST, or run COMMAND there.

    \b
      provision lab ssh lab1 -- systemctl --failed
    """
    known = {one.name: one for this in labs(base_folder(os.environ)) for one in this.hosts}
    if host not in known:
        raise ConfigError(
            f"no lab has a host {host!r}", hint=f"there are: {', '.join(known) or 'none; provision lab up'}"
        )
    argv = known[host].ssh(*command)
    os.execvp(argv[0], argv)


_SNAPSHOT = click.argument("snapshot", metavar="[SNAPSHOT]", default="snapshot")


@lab.command(short_help="Keep the state of all hosts of a lab.")
@_NAME
@_SNAPSHOT
def snapshot(name: str, snapshot: str) -> None:
    """Keep the state of all hosts of a lab as SNAPSHOT, by default `snapshot`, for `provision lab restore`.

    VMs go on, in the middle of what they do. Containers keep their files, and are booted anew. With Vagrant it depends
    on what runs its VMs.
    """
    for this, host in _hosts_of(name):
        this.snapshot(host, snapshot)


@lab.command(short_help="Let all hosts of a lab be as they were.")
@_NAME
@_SNAPSHOT
def restore(name: str, snapshot: str) -> None:
    """Let all hosts of a lab be as they were at SNAPSHOT, running; what came later is lost."""
    for this, host in _hosts_of(name):
        this.restore(host, snapshot)


def _hosts_of(name: str) -> list[tuple[Lab, Host]]:
    this = Lab(name, base_folder(os.environ))
    if not this.hosts:
        raise ConfigError(f"the lab {name} has no hosts", hint=f"provision lab up --name {name}")
    return [(this, host) for host in this.hosts]


@lab.command(short_help="End the hosts of a lab and remove all of it.")
@_NAME
def down(name: str) -> None:
    """End the hosts of a lab and remove all of it: processes, network, folders, inventory."""
    Lab(name, base_folder(os.environ)).down()


def _variable(assignment: str) -> tuple[str, object]:
    key, equals, text = assignment.partition("=")
    if not (key.isidentifier() and equals):
        raise ConfigError(f"--var {assignment}: not of the form K=V", hint="for example --var app_workers=2")
    try:
        # The node, not its value: it keeps how it was written, so python_version=3.10 is not 3.1.
        return key, yaml.compose(text, Loader=yaml.SafeLoader) or ""
    except yaml.YAMLError as error:
        raise ConfigError(f"--var {assignment}: the value is no YAML: {error}") from error
