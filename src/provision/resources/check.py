"""``command`` and ``shell`` of a role's tests/verify.yml: how a command ends, and what it prints."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class _Check(ABC):
    """A command that is run by root to learn something: it ends with ``rc``, and prints ``stdout`` among other things.

    It runs each time, and so must change nothing. ``timeout`` in seconds; what takes longer ends with 124.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("cmd", "rc", "stdout", "timeout")

    cmd: str = ""
    rc: int = 0
    stdout: str = ""
    timeout: int = 30

    def __post_init__(self) -> None:
        if "\n" in self.stdout:
            raise ValueError("stdout is part of one line; write a check for each line")
        if self.timeout < 1:
            raise ValueError(f"timeout {self.timeout} is no number of seconds above 0")

    @abstractmethod
    def invocation(self) -> Sh:
        """The command itself."""

    @property
    def _read(self) -> Shell:
        return Shell(lines(sh("wanted={}", self.stdout), sh(_RUN, self.invocation())), timeout=self.timeout)

    def reads(self) -> Iterable[Read]:
        """Its end and its output."""
        return (self._read,)

    def desired(self, facts: Facts) -> State:
        """What it must say."""
        said = {self._read["stdout"]: f"contains {self.stdout}"} if self.stdout else {}
        return {self._read["rc"]: str(self.rc), **said}

    def change(self, diff: Diff) -> list[Step]:
        """A step that fails: nothing can bring it about. Tests end at the plan, and never run it."""
        return [Step(Sh("echo 'a check changes nothing' >&2; exit 1"))]

    def remarks(self, diff: Diff) -> tuple[str, ...]:
        """The last line that it wrote to standard error, which most often names the cause."""
        last = diff.before(self._read["stderr"])
        return (f"stderr ends with: {last}",) if last else ()


# Nothing that `said` holds can be equal to "contains ...", which compare() wants where it does not contain it.
_RUN = """\
errors=$(mktemp) || exit
trap 'rm -f -- "$errors"' EXIT
said=$( {} </dev/null 2>"$errors" )
code=$?
case $said in
    *"$wanted"*) printf 'stdout=contains %s\\n' "$wanted" ;;
    *) printf 'stdout=is "%s"\\n' "$(printf '%s' "$said" | tr '\\n' ' ' | cut -c 1-200)" ;;
esac
printf 'stderr=%s\\n' "$(tail -n 1 "$errors" | cut -c 1-200)"
exit "$code\""""


@dataclass(frozen=True, kw_only=True)
class CommandCheck(_Check):
    """A program and its words, without a shell: ``cmd`` is split at blanks and quotes only, ``argv`` is taken as is."""

    IDENTITY: ClassVar[tuple[str, ...]] = (*_Check.IDENTITY, "argv")

    argv: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.cmd.strip()) == bool(self.argv):
            raise ValueError("command takes one of cmd and argv")
        shlex.split(self.cmd)

    def invocation(self) -> Sh:
        """The words, quoted; through env, so that no word is taken for a keyword or a builtin of sh."""
        return sh("env -- {}", self.argv or shlex.split(self.cmd))


@dataclass(frozen=True, kw_only=True)
class ShellCheck(_Check):
    """A piece of shell, run by sh."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.cmd.strip():
            raise ValueError("there is no command")

    def invocation(self) -> Sh:
        """The text by eval, which keeps a syntax error inside, and the text out of argv."""
        return sh("(set +eu; eval {})", self.cmd)
