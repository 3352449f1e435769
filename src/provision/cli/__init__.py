"""The command line. Each command's module is loaded when it is called: ``provision --help`` imports click only."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import NoReturn

import click

from provision import __version__
from provision.cli.lazy import Command, LazyGroup

COMMANDS = {
    "up": Command("provision.cli.up:up", "Bring hosts to what their inventory says."),
    "plan": Command("provision.cli.plan:plan", "Show what `up` would change, and change nothing."),
    "doctor": Command("provision.cli.doctor:doctor", "Look for what is wrong with hosts, before `up` and after."),
    "migrate": Command("provision.cli.migrate:migrate", "Run the migrations of the app, and change nothing else."),
    "status": Command("provision.cli.status:status", "Show what runs on hosts, and how they are."),
    "releases": Command("provision.cli.releases:releases", "Show which deployments of the app hosts have."),
    "history": Command("provision.cli.history:history", "Show which runs hosts have on record."),
    "rollback": Command("provision.cli.rollback:rollback", "Let an earlier deployment of the app serve again."),
    "logs": Command("provision.cli.logs:logs", "Show what the app wrote, on all hosts."),
    "run": Command("provision.cli.run_:run_", "Run a command as the app."),
    "exec": Command("provision.cli.exec_:exec_", "Run a command as root on hosts."),
    "ssh": Command("provision.cli.ssh:ssh", "Log in to a host."),
    "explain": Command("provision.cli.explain:explain", "Show why a variable has its value."),
    "roles": Command("provision.cli.roles:roles", "List roles, and show their documentation."),
    "lint": Command("provision.cli.lint:lint", "Name all that is wrong with an inventory, without a connection."),
    "schema": Command("provision.cli.schema:schema", "Print the JSON Schema of inventories, for editors."),
    "vault": Command("provision.cli.vault:vault", "Encrypt, view and edit secrets, as ansible-vault does."),
    "inventory": Command(
        "provision.cli.inventory:inventory", "Show what an inventory says, as ansible-inventory does."
    ),
    "init": Command("provision.cli.init:init", "Write an inventory for the app in the current folder, or a role."),
    "test": Command("provision.cli.test:test", "Test a role on a fresh test host."),
    "lab": Command("provision.cli.lab:lab", "Boot real test hosts on this machine."),
    "completion": Command("provision.cli.completion:completion", "Print what bash, zsh or fish need for completion."),
    "version": Command("provision.cli.version:version", "Print the version of provision and its surroundings."),
}


@click.group(cls=LazyGroup, commands_by_name=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="provision", message="%(prog)s %(version)s")
def main() -> None:
    """Make Debian and Ubuntu hosts serve your FastAPI app over HTTPS.

    \b
      provision init    write inventory.yml for the app in this folder
      provision plan    see what would change
      provision up      do it; again at any time, it changes what differs
    """


def program() -> NoReturn:
    """The console script: ``main``, and an end without ceremony.

    Freeing all that a run has imported takes Python 80 ms, a third of what ssh needs to log in, and gives nobody
    anything: what the run holds is closed by then.
    """
    # What is imported stays, so that to look through it for garbage is in vain: 4 % of a run with nothing to do.
    gc.set_threshold(100_000)
    code: object = 0
    try:
        main(prog_name="provision")
    except SystemExit as ending:
        code = ending.code
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0)
