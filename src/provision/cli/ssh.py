"""``provision ssh``: log in to a host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.hosts import CommandLine, complete_host, inventory_argument
from provision.cli.options import DEFAULT_INVENTORY, inventory_of
from provision.cli.vault_options import vault_options

if TYPE_CHECKING:
    from provision.vault import Vault


class _Ssh(CommandLine):
    words_required = False


@click.command(cls=_Ssh)
@inventory_argument
@click.argument("host", required=False, shell_complete=complete_host)
@click.option("--accept-new-host-keys", is_flag=True, help="Trust a host never met before.")
@vault_options
def ssh(inventory: Path, host: str | None, accept_new_host_keys: bool, vault: Vault, words: tuple[str, ...]) -> int:
    """Log in to HOST of INVENTORY (./inventory.yml), or run COMMAND there, with the `ssh` of this machine.

    It is given what the inventory says: address, port, user, keys and ansible_ssh_common_args. HOST may be left out
    where the inventory has only one. The exit code is that of `ssh`.

    \b
      provision ssh inventory.yml web1
      provision ssh inventory.yml web1 -- uptime
    """
    from provision.errors import ConfigError
    from provision.ops import openssh
    from provision.ops.targets import Targets

    if host is None and not inventory.exists() and inventory.suffix not in (".yml", ".yaml", ".json"):
        raise click.UsageError(
            f"'{inventory}' was taken for the inventory\n"
            f"the inventory comes first: provision ssh {DEFAULT_INVENTORY} {inventory}"
        )
    targets = Targets(inventory_of(inventory), (host,) if host else (), vault=vault)
    if len(targets.hosts) != 1:
        names = ", ".join(found.name for found in targets.hosts)
        raise ConfigError(f"ssh takes one host; there are {len(targets.hosts)}: {names}", hint="name one of them")
    options = ["-o", "StrictHostKeyChecking=accept-new"] if accept_new_host_keys else []
    openssh.execute(openssh.argv(targets.login(targets.hosts[0]), *words, options=options))
