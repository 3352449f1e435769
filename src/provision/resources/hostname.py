"""``hostname``: the name of the host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from provision.resources.base import Diff, Facts, Read, Shell, State, Step
from provision.resources.filecontent import replace_file
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class Hostname:
    """The name that the kernel has now and that ``/etc/hostname`` gives it at boot.

    ``/etc/hosts`` is not touched: a line ``127.0.1.1 NAME`` is for lineinfile. cloud-init sets its own name at boot
    unless its configuration says ``preserve_hostname: true``.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ()

    name: str

    def __post_init__(self) -> None:
        label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
        if not re.fullmatch(rf"{label}(\.{label})*", self.name) or len(self.name) > 64:
            raise ValueError(f"name {self.name!r} is no host name: letters, digits and '-', at most 64")

    def reads(self) -> Iterable[Read]:
        """Both names."""
        return (_NAMES,)

    def desired(self, facts: Facts) -> State:
        """That both are the wanted one."""
        return {_NAMES["kernel"]: self.name, _NAMES["boot"]: self.name}

    def change(self, diff: Diff) -> list[Step]:
        """One step; hostnamectl is not used, since it needs D-Bus."""
        write = replace_file("/etc/hostname")
        return [Step(lines(write, sh("hostname -- {}", self.name)), files={"content": self.name.encode() + b"\n"})]


_NAMES = Shell(
    Sh("""\
printf 'kernel=%s\\n' "$(uname -n)"
printf 'boot=%s\\n' "$(grep -v '^#' /etc/hostname)\"""")
)
