"""The file that refuses passwords, written for real beside a stand-in for sshd."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from provision.resources import sshd
from provision.shell import lines, sh

STAND_IN = """\
#!/bin/sh
case ${0##*/}/$1 in
sshd/-T) echo "pidfile $PID_FILE" ;;
sleep/*) echo ready >>said && touch -d 2001-01-01 "$PID_FILE" ;;
esac
"""


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize(("pid_file", "said"), [("sshd.pid", "ready\nover\n"), ("none", "over\n")])
def test_a_reload_is_over_when_sshd_has_its_pid_written(tmp_path: Path, shell: str, pid_file: str, said: str) -> None:
    (tmp_path / "sshd.pid").write_text("1\n")
    for name in ("sshd", "systemctl", "sleep"):
        (tmp_path / name).write_text(STAND_IN)
        (tmp_path / name).chmod(0o755)
    env = {"PID_FILE": pid_file, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = lines(sh("set -eu"), sshd._RELOAD, sh("echo over >>said"))
    subprocess.run([shell, "-c", script], check=True, cwd=tmp_path, env={**os.environ, **env})
    assert (tmp_path / "said").read_text() == said


@pytest.mark.parametrize(
    ("root", "line"),
    [
        ("yes", ["PermitRootLogin prohibit-password"]),
        ("without-password", []),
        ("forced-commands-only", []),
        ("no", []),
    ],
)
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_stricter_word_about_root_is_not_weakened(tmp_path: Path, shell: str, root: str, line: list[str]) -> None:
    """Of two values sshd takes the first, and ours comes first; so our own from before does not count."""
    file = tmp_path / "sshd_config.d" / "10-provision.conf"
    file.parent.mkdir()
    file.write_text("PermitRootLogin prohibit-password\n")
    stand_in = tmp_path / "sshd"
    stand_in.write_text(
        f"#!/bin/sh\n[ ! -e {file} ] || root=without-password\necho permitrootlogin ${{root:-{root}}}\n"
    )
    stand_in.chmod(0o755)
    script = lines(sh("set -eu\nfile={}", str(file)), sshd._WRITE)
    subprocess.run([shell, "-c", script], check=True, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    first, *written = file.read_text().splitlines()
    assert first == "# Managed by provision."
    assert written == ["PasswordAuthentication no", "KbdInteractiveAuthentication no", *line]
    assert [path.name for path in file.parent.iterdir()] == [file.name]
