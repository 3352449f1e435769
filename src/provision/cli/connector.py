"""What opens connections; ssh.py and the libraries that it imports are loaded at the first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.events import Notice
    from provision.transport.protocol import Connection, Login
    from provision.transport.ssh import SshConnection
    from provision.transport.ssh_hostkeys import HostKeyPolicy
    from provision.transport.ssh_passphrases import Passphrases

AHEAD = 8
"""Hosts that are logged in to ahead, at most; more of them keep the processor busy by themselves."""


class Connector:
    """Logs in to hosts, by ``policy`` where their key is unknown; ``password`` is sudo's, as it was asked for.

    ``emit`` is told, once, what of the way to a host counts and could not be read.
    """

    def __init__(
        self,
        policy: HostKeyPolicy,
        password: str | None,
        passphrases: Passphrases | None = None,
        emit: Callable[[Notice], None] = lambda notice: None,
    ) -> None:
        self._policy, self._password, self._passphrases, self._emit = policy, password, passphrases, emit
        self._told: set[str] = set()
        self._loading = threading.Lock()
        self._ahead: dict[Login, Future[Connection]] = {}

    def __call__(self, login: Login) -> Connection:
        """A connection, or what came of the login that was begun ahead. Raises what ssh.connect() raises."""
        begun = self._ahead.pop(login, None)
        try:
            return begun.result() if begun else self._connect(login)
        except _TooEarlyError:
            return self._connect(login)

    def begin(self, logins: Iterable[Login]) -> None:
        """Log in, and no more, while other things are done; only to hosts that were met before.

        A login is half of a run with nothing to do, over a long line more, and most of it is waiting.
        """
        known = list(islice((login for login in logins if self._ssh().is_known(login)), AHEAD + 1))
        for login in known if len(known) <= AHEAD else []:
            future: Future[Connection] = Future()
            self._ahead[login] = future
            # A daemon: whoever ends the process need not wait for a host that does not answer.
            threading.Thread(target=self._fulfil, args=(login, future), name=f"ahead {login.name}", daemon=True).start()

    def close(self) -> None:
        """Close what was begun and not asked for; never raises, and does not wait."""
        while self._ahead:
            self._ahead.popitem()[1].add_done_callback(_close)

    def _fulfil(self, login: Login, future: Future[Connection]) -> None:
        try:
            future.set_result(self._connect(login, early=True))
        except Exception as error:  # whoever asks for the connection is told
            future.set_exception(error)

    def _connect(self, login: Login, *, early: bool = False) -> Connection:
        if self._password is not None and login.become_password is None:
            login = replace(login, become_password=self._password)
        passphrases = self._passphrases
        if early and passphrases and passphrases.ask:
            # Nobody is asked before what was written is found right, and the questions wait for the report.
            passphrases = replace(passphrases, ask=_too_early)
        connection: SshConnection = self._ssh().connect(login, host_keys=self._policy, passphrases=passphrases)
        self._tell(connection.settings.notes)
        return connection

    def _tell(self, notes: Iterable[str]) -> None:
        with self._loading:
            new = [note for note in notes if note not in self._told]
            self._told.update(new)
        if new:
            from provision.events import Notice

            for note in new:
                self._emit(Notice("", note))

    def _ssh(self) -> ModuleType:
        from provision.transport.lean import lean

        with self._loading, lean():
            from provision.transport import ssh
        return ssh


class _TooEarlyError(Exception):
    """A question would have been asked by a login that nobody waits for yet."""


def _too_early(path: Path) -> str:
    raise _TooEarlyError


def _close(begun: Future[Connection]) -> None:
    if begun.exception() is None:
        begun.result().close()
