"""Becoming root: the command line for the login shell, sudo's prompt, and what sudo's complaints mean."""

from __future__ import annotations

import re
import secrets
import threading

import paramiko

from provision.errors import ConfigError, Refused
from provision.transport.ssh_settings import Settings

SUDO_TIMEOUT = 30.0
"""Seconds for sudo to ask, and to judge the password: a wrong one costs 2 s by PAM's default, a directory more."""

_COMPLAINTS = (
    # Beside sudo's own words those of sudo-rs, which is Ubuntu's sudo from 25.10 on.
    (
        r"password is required|terminal is required|interactive authentication is required",
        "sudo asks {user} for a password",
        "{ask}",
    ),
    (
        r"Sorry, try again|incorrect password|Authentication failed|incorrect authentication",
        "sudo refuses the password of {user}",
        "check what was typed at -K, or ansible_become_password",
    ),
    (
        r"must have a tty",
        "sudo wants a terminal",
        "set ansible_ssh_common_args: -tt, or add `Defaults:{user} !requiretty` to a file in /etc/sudoers.d",
    ),
    (
        r"not in the sudoers file|not allowed to (execute|run)|I'm afraid I can't do that",
        "sudo does not let {user} become root",
        "set ansible_user to a login that may, or let {user} in: `usermod -aG sudo {user}`",
    ),
    (
        r"sudo: (command )?not found|env: .*sudo|Unknown command.*sudo",
        "sudo is not installed, and {user} is not root",
        "set ansible_user: root, or install sudo",
    ),
    (
        r"(?i)(account|password) (has|is) expired|account validation failure|password change required",
        "the account or password of {user} has expired",
        "log in once with `{ssh}` and renew it",
    ),
    (r"sudo: ", "sudo failed", "see whether `{ssh} sudo -n true` works"),
)

_ASK = "use --ask-become-pass, or allow it without: `{user} ALL=(ALL) NOPASSWD: ALL` in a file in /etc/sudoers.d"


def command_line(settings: Settings, command: str) -> str:
    """``command`` run by root's sh, for a login shell that may be any of bash, dash, zsh and fish."""
    if settings.user == "root":
        return f"exec sh -c {_quoted(command)}"
    # -n: sudo never reads its input, which is the script.
    return f"exec env LC_ALL=C sudo -n -- sh -c {_quoted(command)}"


def refusal(complaint: str, settings: Settings) -> Refused | None:
    """What sudo's complaint means; None where it is not sudo's."""
    for pattern, cause, hint in _COMPLAINTS:
        if re.search(pattern, complaint):
            words = {"user": settings.user, "ssh": settings.command}
            hint = hint.format(ask=_ASK, **words).format(**words)
            log = [line for line in complaint.splitlines() if line.strip()]
            return Refused(f"{settings.where}: {cause.format(**words)}", log=log, hint=hint)
    return None


class RawTerminal:
    """A terminal that passes every byte on as it is."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(8)
        self.ready = f"ready {self._nonce}\n".encode()
        """What is printed once it does. Nothing may be sent before."""

    def command_line(self, command: str) -> str:
        """``command``, for any login shell, in such a terminal."""
        return f"stty raw -echo; echo ready {self._nonce}; {command}"


class SudoPassword:
    """Hands sudo the password when it asks, once, and never to anything else that may read the same input."""

    def __init__(self, settings: Settings, channel: paramiko.Channel) -> None:
        nonce = secrets.token_hex(8)
        self._settings = settings
        self._channel = channel
        self._prompt = f"[sudo {nonce}]"
        self._answered = False
        self._started = threading.Event()
        self.ready = f"ready {nonce}\n".encode()
        """What root's sh prints first. Nothing but the password may be sent before."""
        if "\n" in self._password or "\0" in self._password:
            raise ConfigError(f"{settings.name}: ansible_become_password holds a line break")

    @property
    def _password(self) -> str:
        return self._settings.become_password or ""

    def command_line(self, command: str) -> str:
        """As the function of this name, with a sudo that asks on standard error and a shell that says it is ready."""
        announced = f"echo {self.ready.decode().strip()}; {command}"
        return f"exec env LC_ALL=C sudo -S -p {_quoted(self._prompt)} -- sh -c {_quoted(announced)}"

    def watch(self, complaint: str) -> None:
        """Look for the prompt; called with all of standard error at each new piece of it."""
        asked = complaint.count(self._prompt)
        if self._started.is_set() or not asked:
            return
        if asked == 1 and not self._answered:
            self._answered = True
            self._channel.sendall(self._password.encode() + b"\n")
        elif asked > 1:
            # Once is enough: the second answer would be the same, and PAM may lock the account.
            self._channel.close()

    def refusal(self, complaint: str) -> Refused | None:
        """Why there is no root shell."""
        return refusal(complaint.replace(self._prompt, ""), self._settings)

    def started(self) -> None:
        """Root's shell runs: what comes on standard error from now on is its own."""
        self._started.set()


def _quoted(text: str) -> str:
    """Single quotes mean the same to every login shell as long as there is no quote, backslash, ! or newline inside."""
    if any(character in text for character in "'\\!\n"):
        raise ValueError(f"not a line that every login shell reads alike: {text!r}")
    return f"'{text}'"
