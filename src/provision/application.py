"""What the frames of an apply trip mean: which step runs, what it prints, which task is done, what failed."""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Callable, Sequence

from provision.errors import HostError, Interrupted, ProvisionError, StepFailed, Unreachable
from provision.events import Emit, TaskFinished, TaskOutput, TaskStarted
from provision.plan import Item
from provision.resources.base import LoginProof, Step
from provision.script import Owner
from provision.transport.frames import Frame

_Decoder = codecs.getincrementaldecoder("utf-8")

LOG_LINES = 40
"""Lines of a failing step's output kept for its error."""

_ADVICE = (
    (
        r"No space left on device|enough free space|Disk quota exceeded",
        "a file system of this host is full: see `df -h; df -i` there, make room and run again",
    ),
    (
        r"Temporary failure (resolving|in name resolution)|Could not resolve|Name or service not known",
        "this host cannot resolve that name: see its /etc/resolv.conf, then run again",
    ),
    (
        r"EXPKEYSIG|key is not live",
        "the key of that repository has expired: put its present one in the place of the file that signed_by names"
        " (caddy_repository_key for Caddy's), and run again",
    ),
    (
        r"NO_PUBKEY|Missing key [0-9A-F]{16}",
        "that repository is signed by another key than the one that signed_by names (caddy_repository_key for Caddy's):"
        " get it from the repository's owner, and run again",
    ),
    (
        r"Caddy needs port \d+, and",
        "stop that server for good (`systemctl disable --now UNIT`) or move it to another port, and run again; "
        "`provision doctor` says more",
    ),
    (r"apt-get update failed", "mend the sources below /etc/apt, or this host's way to them, and run again"),
)
"""What a step's log says where its surroundings are to blame -> what to do."""


LogIn = Callable[[int, LoginProof], ProvisionError | None]
"""Logs in anew and tells the step of this number; returns why nothing came of it."""


def no_login(number: int, proof: LoginProof) -> ProvisionError | None:
    """A step that waits for a login waits in vain."""
    return Unreachable("this run cannot log in anew")


class Application:
    """Follows the frames of an apply trip and turns them into events; ``new_login`` is called between two frames."""

    def __init__(self, host: str, items: Sequence[Item], emit: Emit, new_login: LogIn = no_login) -> None:
        self._host, self._emit, self._new_login = host, emit, new_login
        self._owners: list[tuple[Item, Step]] = [(item, step) for item in items for step in item.steps]
        self.steps = [step for _, step in self._owners]
        self.owners = [Owner(item.role, item.name, step is item.steps[-1]) for item, step in self._owners]
        self.finished: list[Item] = []
        self.running: Step | None = None
        self._log = ""
        self._began = time.monotonic()
        self._current: Item | None = None
        self._done = 0
        self._failure: StepFailed | None = None
        self._shut_out: ProvisionError | None = None
        # A frame may end in the middle of a character.
        self._decoder = _Decoder("replace")

    def __call__(self, frame: Frame) -> None:
        """Take one frame of runner.sh."""
        if frame.verb not in {"start", "output", "status"}:
            return
        numbers = [int(word) for word in frame.words[1:] if re.fullmatch("[0-9]{1,9}", word)]
        if len(numbers) != (2 if frame.verb == "status" else 1) or not 1 <= numbers[0] <= len(self._owners):
            raise HostError(f"the host reports what it was not asked to do: {' '.join(frame.words)[:60]!r}")
        item, step = self._owners[numbers[0] - 1]
        if frame.verb == "start":
            self.running = step
            if item is not self._current:
                self._current, self._log, self._began = item, "", time.monotonic()
                self._emit(TaskStarted(self._host, item.role, item.name))
            self._shut_out = self._new_login(numbers[0], step.login) if step.login else None
            self._decoder = _Decoder("replace")
        elif frame.verb == "output":
            self._output(item, self._decoder.decode(frame.body))
        elif frame.verb == "status":
            self._status(item, step, numbers[1])

    def _output(self, item: Item, text: str) -> None:
        if text:
            self._log = (self._log + text)[-64 * 1024 :]
            self._emit(TaskOutput(self._host, item.name, text))

    def _status(self, item: Item, step: Step, status: int) -> None:
        self._output(item, self._decoder.decode(b"", final=True))
        self._done += 1
        self.running = None
        seconds = time.monotonic() - self._began
        if status:
            log = self._log.splitlines()[-LOG_LINES:]
            hint = next((advice for words, advice in _ADVICE if re.search(words, self._log)), "")
            cause = _cause(step, status)
            if step.login and self._shut_out:
                cause, hint = f"{step.login.failure}: {self._shut_out.message}", step.login.hint
            self._failure = StepFailed(cause, rc=status, task=_title(item), log=log, hint=hint)
            self._emit(TaskFinished(self._host, item.role, item.name, "failed", seconds))
        elif step is item.steps[-1]:
            self.finished.append(item)
            self._emit(TaskFinished(self._host, item.role, item.name, "changed", seconds))

    def cut(self, error: Unreachable) -> ProvisionError:
        """What a lost line means: where a new login has just failed, the step has shut out the old one, too."""
        step = self.running
        if step is None or step.login is None or self._shut_out is None:
            return error
        return HostError(
            f"{step.login.failure}: {self._shut_out.message}; the line that was open is gone, too",
            task=_title(self._current) if self._current else "",
            hint=step.login.hint,
        )

    def check(self) -> None:
        """Raise what ended the trip before its last step, if anything did."""
        if self._failure is not None:
            raise self._failure
        if self._done < len(self.steps):
            raise stopped()


def stopped() -> Interrupted:
    """What ends a host once the user has asked to stop."""
    return Interrupted("stopped as asked, between two steps", hint="run again: it goes on from there")


def _title(item: Item) -> str:
    return f"{item.role} : {item.name}"


def _cause(step: Step, status: int) -> str:
    title = f"{step.title} " if step.title else ""
    if step.timeout and status in {124, 137}:
        return f"{title}did not end within {step.timeout} s"
    return f"{title}ended with status {status}"
