"""A shell without a machine: what a hostile text makes of a script is seen from the files and the calls it makes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.unit.hostile import Attack

from provision import script
from provision.errors import ConfigError, ProvisionError

REAL = ("awk", "basename", "cat", "cut", "dirname", "grep", "head", "sed", "sort", "tail", "tr", "uniq", "wc")
STUBS = (
    *(
        "apt-cache",
        "apt-get",
        "base64",
        "bash",
        "caddy",
        "chgrp",
        "chmod",
        "chown",
        "cloud-init",
        "cmp",
        "cp",
        "crontab",
    ),
    *("curl", "date", "dd", "df", "diff", "dpkg", "dpkg-query", "du", "env", "find", "flock", "fuser", "getent", "git"),
    *("gpasswd", "groupadd", "groupdel", "groupmod", "gzip", "hostname", "hostnamectl", "id", "install", "journalctl"),
    *("kill", "ln", "ls", "mkdir", "mktemp", "mv", "nice", "nproc", "openssl", "passwd", "pgrep", "pkill", "psql"),
    *(
        "python3",
        "readlink",
        "realpath",
        "rm",
        "rmdir",
        "runuser",
        "setpriv",
        "setsid",
        "sh",
        "sha256sum",
        "ss",
        "stat",
    ),
    *("stdbuf", "su", "sudo", "sync", "sysctl", "systemctl", "systemd-run", "tar", "timedatectl", "timeout", "touch"),
    *("uname", "unzip", "useradd", "userdel", "usermod", "uv", "wget", "xargs", "zstd"),
)
"""Programs of which only the arguments are recorded."""


PRELUDE = script.PRELUDE.replace("umask 022\n", "").encode()
"""What would lead a script away from here."""


class Machine:
    """A shell in an empty folder, whose programs only record what they are given; as nobody, where that can be."""

    def __init__(self, shell: str) -> None:
        self.root = Path(tempfile.mkdtemp())
        self._shell = str(shutil.which(shell))
        self._bin, self._scripts, self.empty, self._log = (
            self.root / name for name in ("bin", "scripts", "empty", "log")
        )
        for folder, mode in ((self.root, 0o755), (self._bin, 0o755), (self._scripts, 0o755), (self.empty, 0o777)):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        self._log.touch()
        self._log.chmod(0o666)
        for name in REAL:
            (self._bin / name).symlink_to(str(shutil.which(name)))
        for name in STUBS:
            (self._bin / name).write_text(f"#!{self._shell}\n{self._record}\n")
            (self._bin / name).chmod(0o755)

    @property
    def _record(self) -> str:
        """An argument, a NUL, and at the end of a call a line that no argument is."""
        return f"{{ printf '%s\\0' \"$@\"; printf '\\1\\0'; }} >>{self._log}"

    @property
    def _prelude(self) -> str:
        """Functions, which cost no process; and what lets a script come as far as possible."""
        functions = [f"{name}() {{ {self._record}; }}" for name in STUBS if name.isidentifier()]
        last = "for last do :; done; printf '%s\\n' \"$last\""
        return "\n".join(
            [
                *functions,
                f"readlink() {{ {self._record}; {last}; }}",
                f"mktemp() {{ {self._record}; echo {self.empty}/temp; }}",
                "sleep() { exit 0; }",
                f"cd {self.empty}",
                "cd() { :; }",
                f"PATH={self._bin}",
            ]
        )

    def add(self, name: str, data: bytes) -> None:
        """A script for :meth:`run`. It goes on where it would give up, since nothing is here that it looks for."""
        data = data.replace(PRELUDE, b"").replace(b"exit 1\n", b":\n").replace(b"exit 0\n", b":\n")
        (self._scripts / name).write_bytes(data)

    def run(self) -> list[list[bytes]]:
        """Run all scripts, each in a subshell of its own, and return what programs were given."""
        loop = f'for file in {self._scripts}/*; do ( . "$file" ) </dev/null >/dev/null 2>&1; done'
        (self.root / "all").write_text(f"{self._prelude}\n{loop}\n")
        options: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
        environment = {"here": "/nowhere", "nonce": "n", "FILES": "/nowhere", "HERE": "/nowhere", "LC_ALL": "C.UTF-8"}
        subprocess.run([self._shell, self.root / "all"], env=environment, check=True, timeout=300, **options)
        return [call.split(b"\0") for call in self._log.read_bytes().split(b"\1\0")]

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.root)


def scripts_of(attack: Attack, text: str) -> dict[str, bytes] | None:
    """Its files; None where it is refused."""
    try:
        return attack.scripts(attack.build(text))
    except ProvisionError as error:
        if not error.message or (isinstance(error, ConfigError) and error.position is None):
            raise AssertionError(f"{attack} is refused without a word or a place") from error
    return None


def texts(attack: Attack, text: str) -> Sequence[str]:
    """Alone, behind what is there, and as a path."""
    return text, attack.good + text, "/" + text


class Arguments:
    """What programs were given of each attack's text."""

    def __init__(self, machine: Machine, attacks: Sequence[Attack], nasty: str, before: str = "") -> None:
        self._attacks = attacks
        self.taken: dict[int, Attack] = {}
        for number, attack in enumerate(attacks):
            text = f"{before}aZ{number}q{nasty.replace('CANARY', f'canary-{number}')}q{number}Zb"
            for value in texts(attack, text):
                if files := scripts_of(attack, value):
                    self.taken[number] = attack
                    for name, data in files.items():
                        if name.endswith(".sh"):
                            machine.add(f"{number:03}-{name}", data)
                    break
        self.calls = machine.run()
        self.canaries = [self._attack(path.name) for path in machine.empty.iterdir()]

    def broken(self) -> set[str]:
        """The attacks of which an argument is a part only."""
        found = [
            self._attack(begin[0])
            for argument in self._all()
            if (begin := re.findall(r"aZ(\d+)q", argument)) and not re.search(rf"q{begin[0]}Zb", argument)
        ]
        return set(found)

    def whole(self) -> set[str]:
        """The attacks of which an argument is the whole."""
        return {self._attack(found[1]) for argument in self._all() if (found := re.search(r"aZ(\d+)q", argument))}

    def options(self) -> set[str]:
        """The attacks that a program would take for an option: neither behind ``--`` nor the value of another one."""
        return {
            self._attack(found[1])
            for call in self.calls
            for at, argument in enumerate(call)
            if (found := re.match(r"-.*aZ(\d+)q", argument.decode("utf-8", "replace")))
            and b"--" not in call[:at]
            and not (at and call[at - 1].startswith(b"-"))
        }

    def _all(self) -> Iterator[str]:
        return (argument.decode("utf-8", "replace") for call in self.calls for argument in call)

    def _attack(self, text: str) -> str:
        return str(self._attacks[int(re.sub(r"\D", "", text))])
