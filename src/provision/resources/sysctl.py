"""``sysctl``: a parameter of the kernel, now and after the next boot."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from provision.resources.base import Content, Diff, Digest, Facts, Preview, Read, Shell, Stat, State, Step
from provision.resources.fields import option
from provision.resources.filecontent import desired_file, replace_file
from provision.shell import Sh, lines, sh


@dataclass(frozen=True, kw_only=True)
class Sysctl:
    """The value of a kernel parameter, set at once and written to ``/etc/sysctl.d/99-zz-NAME.conf``, read at boot last.

    ``state: absent`` removes that file; the kernel keeps the value until the next boot. A value that the kernel does
    not give back as it was written (``vm.drop_caches``) cannot be kept.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    name: str = field(metadata=option(aliases=("key",)))
    value: str | None = field(default=None, metadata=option(aliases=("val",)))
    state: Literal["present", "absent"] = "present"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+([./][A-Za-z0-9_:@-]+)+", self.name):
            raise ValueError(f"name {self.name!r} is no kernel parameter, as in net.ipv4.ip_forward")
        if self.state == "present" and not (self.value or "").strip():
            raise ValueError("state: present needs value")
        if "\n" in (self.value or ""):
            raise ValueError("value has a line break in it")

    @property
    def _file(self) -> str:
        return f"/etc/sysctl.d/99-zz-{self.name.replace('/', '.')}.conf"

    @property
    def _kernel(self) -> Shell:
        return Shell(lines(sh("name={} path={}", self.name, _proc(self.name)), _READ))

    @property
    def _value(self) -> str:
        return " ".join((self.value or "").split())

    def reads(self) -> Iterable[Read]:
        """The file, and what the kernel says."""
        return (Stat(self._file), Digest(self._file), Content(self._file), self._kernel)

    def desired(self, facts: Facts) -> State:
        """Both have the value, or there is no file."""
        if self.state == "absent":
            return {Stat(self._file)["type"]: "absent"}
        return {**desired_file(self._file, self._text().encode()), self._kernel[self.name]: self._value}

    def change(self, diff: Diff) -> list[Step]:
        """One step: the kernel first, since it refuses what is no value."""
        if self.state == "absent":
            return [Step(sh("rm -f -- {}", self._file))]
        head = sh("name={} path={} value={}", self.name, _proc(self.name), self._value)
        write = lines("mkdir -p /etc/sysctl.d", replace_file(self._file))
        return [Step(lines(head, _APPLY, write), files={"content": self._text().encode()})]

    def preview(self) -> Preview:
        """The new text of the file."""
        return Preview(Content(self._file), self._text() if self.state == "present" else "")

    def _text(self) -> str:
        return f"# Managed by provision.\n{self.name} = {self._value}\n"


def _proc(name: str) -> str:
    """The file of a parameter, as sysctl.d(5) reads names: what the first separator is separates."""
    swapped = name if (re.findall("[./]", name) or ["/"])[0] == "/" else name.translate(str.maketrans("./", "/."))
    return "/proc/sys/" + swapped


_READ = Sh("""\
if [ -e "$path" ]; then printf '%s=%s\\n' "$name" "$(tr -s '[:space:]' ' ' <"$path" | sed 's/ $//')"; fi""")

_APPLY = Sh("""\
if [ ! -e "$path" ]; then
    echo "there is no kernel parameter $name: check the name, or load its module first" >&2
    exit 1
fi
printf '%s\\n' "$value" 2>/dev/null >"$path" || {
    echo "the kernel refuses the value $value of $name" >&2
    exit 1
}""")
