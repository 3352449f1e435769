"""A root process on the other end of a paramiko channel, as a Stream."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import paramiko

from provision.errors import ConnectionLost, ProvisionError
from provision.transport.ssh_auth import other_login
from provision.transport.ssh_errors import ERRORS
from provision.transport.ssh_settings import Settings

_COMPLAINT_LIMIT = 64 * 1024
_READ = 1024 * 1024
_WRITE = 32 * 1024
"""Bytes: a channel's usual largest packet; paramiko sends no more at a time."""

_GREETING = b"Please login as the user"


class SshStream:
    """A process and its three streams. ``diagnose`` turns the complaint of one that never began into an error."""

    def __init__(
        self,
        channel: paramiko.Channel,
        settings: Settings,
        command: str,
        diagnose: Callable[[str], ProvisionError | None] = lambda complaint: None,
        on_complaint: Callable[[str], None] = lambda complaint: None,
    ) -> None:
        self._channel = channel
        self._settings = settings
        self._diagnose = diagnose
        self._on_complaint = on_complaint
        self._closed = False
        self._begun = False
        self._pending = b""
        self._complaint = bytearray()
        self._errors = threading.Thread(target=self._collect, name=f"stderr {settings.name}", daemon=True)
        # Waiting for the host's consent costs no round trip: sshd grants a window, and so takes input, only with it.
        channel.exec_command(command)
        self._errors.start()

    def send(self, data: bytes) -> None:
        """Write all of ``data``. Raises what receive() would raise where the process has ended."""
        view = memoryview(data)
        try:
            while view:
                # A shell that has closed its output is gone; its channel may take bytes for a moment longer.
                sent = 0 if self._said_goodbye() else self._channel.send(bytes(view[:_WRITE]))
                if not sent:
                    raise self._ended()
                view = view[sent:]
        except ERRORS as error:
            raise self._ended() from error

    def receive(self) -> bytes:
        """The next bytes; ``b""`` at the end of a process that wrote something, or that ended without a known cause."""
        if self._pending:
            data, self._pending = self._pending, b""
            return data
        if not self._begun:
            return self._first()
        return self._channel.recv(_READ) or self._end()

    def await_marker(self, marker: bytes, timeout: float) -> None:
        """Read until ``marker``, for at most ``timeout`` seconds; the output begins after it.

        Raises TimeoutError with the channel closed, or what receive() would where the process ends instead.
        """
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._hang_up()

        timer = threading.Timer(timeout, expire)
        timer.start()
        head = b""
        try:
            while marker not in head:
                data = self._channel.recv(_READ)
                if not data:
                    raise TimeoutError if expired.is_set() else self._ended()
                # What comes before it is not kept, however much that is.
                head = head[-len(marker) :] + data
        finally:
            timer.cancel()
        self._pending = head.partition(marker)[2]
        self._begun = True
        # What was said until now was sudo's: its lecture and its prompt.
        self._complaint.clear()

    def complaint(self) -> str:
        """The last 64 KiB of standard error."""
        return bytes(self._complaint).decode("utf-8", "replace")

    def exit_status(self) -> int | None:
        """The process's exit status; None while it runs, or where a signal ended it."""
        status = self._channel.exit_status
        return None if status < 0 else status

    def close(self) -> None:
        """Close the process's input and the channel; what it has not read yet is still delivered to it."""
        self._closed = True
        self._hang_up()

    def _hang_up(self) -> None:
        with contextlib.suppress(*ERRORS):
            self._channel.close()

    def _first(self) -> bytes:
        """The first bytes. A cloud image's refusal of root is told at once: its shell sleeps 10 s before it ends."""
        head = b""
        while len(head) < _READ and (data := self._channel.recv(_READ)):
            head += data
            if not _GREETING.startswith(head[: len(_GREETING)]):
                break
            if b"\n" in head and (error := other_login(head.decode("utf-8", "replace"), self._settings)):
                self.close()
                raise error
        self._begun = bool(head)
        return head or self._end()

    def _end(self) -> bytes:
        if self._closed:
            return b""
        self._errors.join(timeout=10)
        error = None if self._begun else self._diagnose(self.complaint())
        if error is None and self._said_goodbye():
            return b""
        raise error or self._lost()

    def _ended(self) -> ProvisionError:
        self._errors.join(timeout=10)
        if not self._begun and (error := self._diagnose(self.complaint())):
            return error
        if self._said_goodbye():
            said = self.complaint().strip()
            return ConnectionLost(f"the shell on {self._settings.where} has ended{': ' if said else ''}{said}")
        return self._lost()

    def _said_goodbye(self) -> bool:
        """Did the host end the process's output, or did the line?"""
        return bool(self._channel.eof_received) or self._channel.exit_status >= 0

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(
            f"the connection to {self._settings.where} was lost",
            hint="what the host did last is unknown; run again: it reads the host anew and goes on from there",
        )

    def _collect(self) -> None:
        # Unread, it would fill the window that standard output shares, and stop the process.
        while data := self._channel.recv_stderr(_WRITE):
            self._complaint += data
            del self._complaint[:-_COMPLAINT_LIMIT]
            with contextlib.suppress(*ERRORS):
                self._on_complaint(self.complaint())
