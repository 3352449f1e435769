"""Commands on several hosts, side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from provision.converge import describe
from provision.errors import Interrupted, ProvisionError
from provision.ops.commands import Program
from provision.ops.events import CommandEnded, CommandOutput, Emit
from provision.ops.relay import Relay
from provision.transport.protocol import Connection, Login
from provision.transport.session import SILENCE


@dataclass(frozen=True)
class Job:
    """A program for one host."""

    login: Login
    program: Program


class SideBySide:
    """Runs jobs, ``forks`` at a time, and emits what each prints and how it ends."""

    def __init__(
        self,
        jobs: Sequence[Job],
        emit: Emit,
        connect: Callable[[Login], Connection],
        *,
        forks: int = 32,
        silence: float = SILENCE,
        read: Callable[[], bytes] | None = None,
    ) -> None:
        """``read`` gives the next bytes of the only job's input, ``b""`` at its end; without it there is none.

        ``emit`` may wait: the host then waits too.
        """
        self._jobs, self._emit, self._connect, self._forks, self._read = jobs, emit, connect, forks, read
        self._silence = silence
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._relays: set[Relay] = set()

    def execute(self) -> list[CommandEnded]:
        """Run all jobs and wait for their ends."""
        with ThreadPoolExecutor(min(len(self._jobs), self._forks), thread_name_prefix="host") as pool:
            return list(pool.map(self._run, self._jobs))

    def stop(self) -> None:
        """Start no further job, and interrupt those that run. Safe to call from another thread."""
        self._stopping.set()
        for relay in self._running():
            relay.signal("INT")

    def abort(self) -> None:
        """End all jobs, and wait for nothing. Safe to call from another thread."""
        self._stopping.set()
        for relay in self._running():
            relay.close()

    def _running(self) -> list[Relay]:
        with self._lock:
            return list(self._relays)

    def _run(self, job: Job) -> CommandEnded:
        try:
            ended = CommandEnded(job.login.name, self._status(job))
        except BrokenPipeError:
            # Raised by ``emit``: whoever read the output is gone.
            raise
        except Exception as error:
            ended = CommandEnded(job.login.name, error=self._described(error))
        self._emit(ended)
        return ended

    def _status(self, job: Job) -> int:
        self._ensure_going()
        connection = self._connect(job.login)
        try:
            with Relay(connection, job.program.text, job.program.signal, silence=self._silence) as relay:
                with self._lock:
                    self._relays.add(relay)
                self._ensure_going()
                if self._read is not None:
                    threading.Thread(target=_feed, args=(relay, self._read), name="input", daemon=True).start()
                try:
                    return relay.run(
                        lambda stream, data: self._emit(CommandOutput(job.login.name, stream, data)),
                        reads_input=self._read is not None,
                    )
                finally:
                    with self._lock:
                        self._relays.discard(relay)
        finally:
            connection.close()

    def _described(self, error: Exception) -> ProvisionError:
        # What a closed session says is what was asked for.
        return Interrupted("stopped") if self._stopping.is_set() else describe(error)

    def _ensure_going(self) -> None:
        if self._stopping.is_set():
            raise Interrupted("stopped")


def _feed(relay: Relay, read: Callable[[], bytes]) -> None:
    while relay.feed(data := read()) and data:
        pass


def exit_code(ends: Sequence[CommandEnded]) -> int:
    """1 where a command failed, before 3 where a host could not be reached; 0 where all went well."""
    codes = {end.error.exit_code if end.error else int(end.status != 0) for end in ends}
    return next((code for code in (130, 2, 1, 3, 4) if code in codes), 0)
