"""``provision test``: roles that pass, and each way to fail; nothing of a host is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.cli import PROVISION, wait_for
from tests.unit.cli_site import write

from provision.lab.lab import Lab
from provision.lab.records import Records

ROLES = Path(__file__).parents[2] / "roles"

# The port of the connection: another one in each run, one and the same within it.
UNSTEADY = """
- name: Write who is there
  shell:
    cmd: echo "$SSH_CONNECTION" >/etc/visitor
    unless: test "$SSH_CONNECTION" = "$(cat /etc/visitor)"

- name: Keep still
  copy: {dest: /etc/still, content: still}
"""
SLOW = """
- name: Take long
  shell:
    cmd: touch /begun; until [ -e /go ]; do sleep 0.1; done; touch /done
    creates: /done
"""
GREETING = "- name: Greet\n  copy: {dest: /etc/greeting, content: hello}\n"


def bench(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``provision test WORDS`` to its end."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    return subprocess.run(
        [PROVISION, "test", *words], capture_output=True, text=True, check=False, timeout=1800, env=environment
    )


def steps(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What was printed of each step, without its time."""
    return dict(re.findall(r"^  (\w+) +[\d.ms]+(?:  (.*))?$", done.stdout, re.MULTILINE))


def lab_of(host: str) -> str:
    return host.rstrip("0123456789")


@pytest.fixture
def gone(lab_base: Path) -> Callable[[str], bool]:
    """``gone("test1")``: nothing of this host is left, nor of its lab."""

    def gone(host: str) -> bool:
        group = f"{Records(lab_base, lab_of(host)).mark}-{host}"
        # What goes meanwhile, as another lab's groups do, is an error of rglob's.
        groups = [path for path, _, _ in os.walk("/sys/fs/cgroup") if path.endswith(f"/{group}")]
        root = lab_base / "labs" / lab_of(host)
        links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
        mounts = Path("/proc/self/mounts").read_text()
        assert re.fullmatch(r"[a-z-]+\d+", host)
        return not (groups or f"vb-{host}@" in links or f"lab-{host} {root}/" in mounts or root.exists())

    return gone


@pytest.fixture
def role(tmp_path: Path) -> Callable[..., Path]:
    """``role(tasks, verify="...")``: a role with these tasks and these files in its tests/."""

    def make(tasks: str, **tests: str) -> Path:
        files = {"tasks/main.yml": tasks} | {f"tests/{name}.yml": text for name, text in tests.items()}
        write(tmp_path / "roles" / "mine", files)
        return tmp_path / "roles" / "mine"

    return make


@pytest.mark.parametrize(
    ("name", "options", "verified"),
    [
        ("redis", (), r"1 waited for; 5 checks; 1 passed.* in [\d.]+s"),
        ("caddy", ("--distro", "trixie", "--flavour", "cloud"), "1 waited for; 2 checks"),
    ],
)
def test_shipped_roles_pass(name: str, options: tuple[str, ...], verified: str, gone: Callable[[str], bool]) -> None:
    before = sorted(ROLES.rglob("*"))

    done = bench(ROLES / name, *options)

    assert done.returncode == 0, done.stdout + done.stderr
    found = steps(done)
    assert list(found) == ["create", "converge", "idempotence", "verify", "destroy"]
    assert re.fullmatch(r"\d+ changed, 3 trips", found["converge"])
    assert found["idempotence"] == "0 changed, 1 trip"
    assert re.fullmatch(verified, found["verify"]), found["verify"]
    assert done.stdout.splitlines()[-1].startswith(f"{name}: passed on ")
    assert gone(found["create"])
    assert sorted(ROLES.rglob("*")) == before


def test_a_new_role_passes_at_once_on_a_host_of_each(tmp_path: Path, gone: Callable[[str], bool]) -> None:
    subprocess.run([PROVISION, "init", "role", "fresh", "--testinfra"], cwd=tmp_path, check=True, capture_output=True)

    done = bench(tmp_path / "roles" / "fresh", "--distro", "bookworm", "--distro", "trixie")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "fresh: passed on bookworm (minimal), trixie (minimal)"
    assert len(re.findall(r"verify .* 2 checks; 1 passed", done.stdout)) == 2
    assert gone(steps(done)["create"])


def test_a_role_that_is_not_idempotent(role: Callable[..., Path], gone: Callable[[str], bool]) -> None:
    done = bench(role(UNSTEADY, verify=GREETING))

    assert done.returncode == 1, done.stdout + done.stderr
    found = steps(done)
    assert list(found) == ["create", "converge", "idempotence", "destroy"]
    assert (found["converge"], found["idempotence"]) == ("2 changed, 3 trips", "failed")
    assert "the second run has changed 1 task again\n    | mine : Write who is there\n" in done.stdout
    assert "Keep still" not in done.stdout
    assert gone(found["create"])


def test_checks_that_fail_and_a_host_that_is_kept(
    role: Callable[..., Path], lab_base: Path, gone: Callable[[str], bool]
) -> None:
    checks = """
    - name: The greeting is hers alone
      file: {path: /etc/greeting, mode: "0600"}
    - name: It greets
      command: {cmd: cat /etc/greeting, stdout: hello}
    - name: It can be read by nobody
      shell: {cmd: cat /etc/greeting /etc/none, stdout: bye}
    """
    folder = role(GREETING, verify=checks)

    done = bench(folder, "--keep")

    found = steps(done)
    assert done.returncode == 1, done.stdout + done.stderr
    host = found["create"]
    try:
        assert list(found) == ["create", "converge", "idempotence", "verify"]
        shown = done.stdout.partition("2 of 3 checks in tests/verify.yml found otherwise\n")[2]
        assert shown.splitlines()[:6] == [
            "    | The greeting is hers alone",
            "    |     /etc/greeting: mode 0644 -> 0600",
            "    | It can be read by nobody",
            "    |     rc 1 -> 0",
            '    |     stdout is "hello" -> contains bye',
            "    |     stderr ends with: cat: /etc/none: No such file or directory",
        ]
        assert f"`provision lab ssh {host}` logs in" in done.stdout
        login = subprocess.run(
            [PROVISION, "lab", "ssh", host, "--", "cat", "/etc/greeting"], capture_output=True, text=True, check=False
        )
        assert login.stdout == "hello"
    finally:
        subprocess.run([PROVISION, "lab", "down", "--name", lab_of(host)], check=True)
    assert gone(host)


def test_pytest_that_fails_is_shown(role: Callable[..., Path], gone: Callable[[str], bool]) -> None:
    folder = role(GREETING)
    write(folder, {"tests/test_mine.py": "def test_it(host):\n    assert host.file('/etc/greeting').size == 6\n"})

    done = bench(folder)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "a test of pytest failed" in done.stdout
    assert "assert 5 == 6" in done.stdout
    assert gone(steps(done)["create"])


def started(folder: Path, lab_base: Path) -> tuple[subprocess.Popen[str], str, Path]:
    """A test whose first task waits for ``go``, its host, and where that has its files."""
    process = subprocess.Popen([PROVISION, "test", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    (host,) = re.findall(r"create .* (\S+)\n", "".join(lines))
    (found,) = [one for one in Lab(lab_of(host), lab_base).hosts if one.name == host]
    root = Lab(lab_of(host), lab_base).root(found)
    wait_for("the first task", lambda: (root / "begun").exists())
    return process, host, root


@contextmanager
def killed_after(seconds: float, process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill what does not go through the block, or not in time: nobody reads from it for ever, and it does not go on."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    except BaseException:
        process.kill()
        raise
    finally:
        timer.cancel()


def test_ctrl_c_ends_the_host(role: Callable[..., Path], lab_base: Path, gone: Callable[[str], bool]) -> None:
    process, host, root = started(role(SLOW), lab_base)
    assert process.stderr is not None

    process.send_signal(signal.SIGINT)

    with killed_after(300, process):
        assert any("stopping after the running steps" in line for line in process.stderr)
    (root / "go").touch()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, out + err
    assert re.search("^  destroy ", out, re.MULTILINE)
    assert gone(host)


def test_what_a_killed_test_has_left_the_next_one_removes(
    role: Callable[..., Path], lab_base: Path, gone: Callable[[str], bool]
) -> None:
    process, host, _ = started(role(SLOW), lab_base)
    process.kill()
    process.communicate()
    assert not gone(host)

    done = bench(role(GREETING))

    assert done.returncode == 0, done.stdout + done.stderr
    assert gone(host)
