"""The command lines of the system's own `ssh`, for what needs a terminal."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from provision.errors import ProvisionError
from provision.ops.commands import one_line
from provision.shell import Sh, lines, sh
from provision.transport.protocol import Login


def argv(login: Login, *words: str, options: Sequence[str] = ()) -> list[str]:
    """The ssh command line of ``login``, with what the inventory says above what ssh_config says.

    ``words`` go to the login's shell as ssh passes them on, joined by spaces. Passwords are not in it: ssh asks.
    """
    given = [*(("-p", str(login.port)) if login.port else ()), *(("-l", login.user) if login.user else ())]
    given += [word for key in login.key_files for word in ("-i", key)]
    if login.known_hosts:
        given += ["-o", f"UserKnownHostsFile={login.known_hosts}"]
    given += ["-o", f"ConnectTimeout={max(1, round(login.timeout))}", *shlex.split(login.common_args)]
    return ["ssh", *options, *given, "--", login.address, *words]


def as_root(program: Sh) -> str:
    """A command for any login shell that runs ``program`` as root; sudo asks for its password where it needs one."""
    become = sh('[ "$(id -u)" = 0 ] || exec sudo -- sh -c {}', one_line(program))
    return f"exec sh -c '{one_line(lines(become, program))}'"


def execute(words: list[str]) -> NoReturn:
    """Become ``words``. Raises ProvisionError where there is no ssh."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvp(words[0], words)
    except FileNotFoundError as error:
        raise ProvisionError("there is no `ssh` on this machine", hint="install OpenSSH's client") from error
