"""``command`` and ``shell``: a command of the user's own, with a guard that says when it need not run."""

from __future__ import annotations

import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.resources.filecontent import check_path
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class _Guarded(ABC):
    """A command that is due unless ``creates`` exists, ``removes`` does not, or the shell test ``unless`` succeeds.

    One of the three is needed: without one, nobody could say whether the host has what the command brings about.
    The guard is asked again right before the command and right after it.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("creates", "removes", "unless", "chdir")
    GUARDED: ClassVar[bool] = True
    """An earlier change of the same plan may decide whether this one is due."""

    cmd: str | None = None
    chdir: str | None = None
    creates: str | None = None
    removes: str | None = None
    unless: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.creates or self.removes or self.unless):
            raise ValueError(
                "needs one of creates (a path), removes (a path) and unless (a shell test): "
                "without one it could not be known whether the command has to run"
            )
        if self.chdir is not None:
            check_path("chdir", self.chdir)
        for name in self.environment:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"environment: {name!r} is no name of a variable")

    @abstractmethod
    def step_files(self) -> Mapping[str, bytes]:
        """The files that ``invocation`` uses."""

    @abstractmethod
    def invocation(self) -> Sh:
        """The command itself."""

    @property
    def _guard(self) -> Sh:
        """Defines ``due``, the same for the read and the step."""
        tests = [
            sh("cd -- {} || return 0", self.chdir) if self.chdir else "",
            sh("if [ -e {} ] || [ -L {} ]; then return 1; fi", self.creates, self.creates) if self.creates else "",
            sh("if [ ! -e {} ] && [ ! -L {} ]; then return 1; fi", self.removes, self.removes) if self.removes else "",
            # eval keeps a syntax error inside, and the text out of argv, which every user can read.
            sh("if (set +eu; eval {}) </dev/null >/dev/null; then return 1; fi", self.unless) if self.unless else "",
        ]
        return sh("due() (\n{}\nreturn 0\n)", lines(*tests))

    @property
    def _due(self) -> Shell:
        return Shell(lines(self._guard, _READ))

    def reads(self) -> Iterable[Read]:
        """What the guard says."""
        return (self._due,)

    def desired(self, facts: Facts) -> State:
        """Not due."""
        return {self._due["due"]: "no"}

    def change(self, diff: Diff) -> list[Step]:
        """One step: guard, command, guard."""
        exports = [sh("export {}={}", Sh(name), value) for name, value in self.environment.items()]
        chdir = sh("cd -- {}", self.chdir) if self.chdir else ""
        # In a subshell: the guard sees neither the folder nor the environment of the command.
        run = sh("(\n{}\n)", lines(chdir, *exports, self.invocation()))
        return [Step(lines(self._guard, _SKIP, run, _VERIFY), files=self.step_files())]


_READ = Sh("""\
if due >/dev/null 2>&1; then echo due=yes; else echo due=no; fi""")

_SKIP = Sh("""\
if ! due; then exit 0; fi""")

_VERIFY = Sh("""\
if due; then
    echo "the command ended well, but what creates, removes or unless asks for is still not so" >&2
    exit 1
fi""")


@dataclass(frozen=True, kw_only=True)
class Command(_Guarded):
    """A program and its words, without a shell: ``cmd`` is split at blanks and quotes only, ``argv`` is taken as is."""

    argv: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.cmd is None) == (self.argv is None):
            raise ValueError("command takes one of cmd and argv")
        if not self._words:
            raise ValueError("there is no command")

    @property
    def _words(self) -> list[str]:
        return shlex.split(self.cmd or "") if self.argv is None else list(self.argv)

    def step_files(self) -> Mapping[str, bytes]:
        """None."""
        return {}

    def invocation(self) -> Sh:
        """The words, quoted; through env, so that no word is taken for a keyword or a builtin of sh."""
        return sh("env -- {}", self._words)


@dataclass(frozen=True, kw_only=True)
class ShellCommand(_Guarded):
    """A piece of shell, run by ``executable``."""

    cmd: str
    executable: str = "/bin/sh"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.cmd.strip():
            raise ValueError("there is no command")

    def step_files(self) -> Mapping[str, bytes]:
        """The text, as a file: in argv every user could read it."""
        return {"command": self.cmd.encode() + b"\n"}

    def invocation(self) -> Sh:
        """The shell with its file."""
        return sh('{} "$FILES"/command', self.executable)
