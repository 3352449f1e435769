"""Runs that go on beside a test, and a small role whose first step waits for the test."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cli import PROVISION, Event, Result, wait_for

from provision.lab.inventory import write_inventory
from provision.lab.provider import Host

TASKS = """\
- name: First
  shell:
    cmd: |
      mkdir -p /root/held
      touch /root/held/begun
      until [ -e /root/held/go ]; do echo waiting; sleep 0.05; done
      touch /root/held/first
    creates: /root/held/first
- name: Second
  shell:
    cmd: touch /root/held/second
    creates: /root/held/second
"""


class Running:
    """A ``provision`` that goes on beside the test."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path) -> None:
        self._process, self._out = process, out
        self.pid = process.pid

    @property
    def events(self) -> list[Event]:
        """The events so far."""
        *complete, _ = self._out.read_text().split("\n")
        return [json.loads(line) for line in complete]

    @property
    def over(self) -> bool:
        """Has it ended?"""
        return self._process.poll() is not None

    def wait_for(self, kind: str, contains: str) -> None:
        """Wait until there is an event of this kind with this text in it, or the run is over."""

        def seen() -> bool:
            return any(event["event"] == kind and contains in str(event) for event in self.events) or self.over

        wait_for(f"{kind} {contains}", seen, timeout=300)
        assert not self.over, f"the run ended without {kind} {contains}: {self.events}"

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """What a dead battery does."""
        self._process.kill()
        self._process.wait()

    def end(self, timeout: float = 300.0) -> Result:
        """Wait for its end."""
        code = self._process.wait(timeout)
        return Result(code, self.events, "")


@contextmanager
def running(inventory: Path, *words: str, command: str = "up") -> Iterator[Running]:
    """``provision up INVENTORY WORDS --json``; killed at the end of the block, if it still goes on."""
    out = inventory.with_name(f"events-{time.monotonic_ns()}")
    argv: list[str | Path] = [PROVISION, command, inventory, *words, "--json"]
    with out.open("wb") as file, subprocess.Popen(argv, stdout=file, stderr=subprocess.DEVNULL) as process:
        try:
            yield Running(process, out)
        finally:
            process.kill()


class Held:
    """An inventory of hosts with one role of two steps, of which the first waits for :meth:`go`."""

    def __init__(self, folder: Path, hosts: Sequence[Host], root: Callable[[Host], Path]) -> None:
        self.inventory = folder / "inventory.yml"
        self._folders = [root(host) / "root/held" for host in hosts]
        write_role(folder, "held", TASKS)
        write_inventory(self.inventory, hosts, {"roles": ["held"]})
        for marks in self._folders:
            shutil.rmtree(marks, ignore_errors=True)

    @property
    def done(self) -> set[str]:
        """What the steps have done so far on the first host: begun, first, second."""
        marks = self._folders[0]
        return {path.name for path in marks.iterdir() if path.name != "go"} if marks.exists() else set()

    def go(self) -> None:
        """Let the first step complete, on every host."""
        for marks in self._folders:
            marks.mkdir(exist_ok=True)
            (marks / "go").touch()

    def wait_for(self, *done: str, timeout: float = 120.0) -> None:
        """Wait until these, and no other, are done."""
        wait_for(f"{done} and no other", lambda: self.done == set(done), timeout)


def write_role(folder: Path, name: str, tasks: str) -> None:
    """A role beside the inventory."""
    path = folder / "roles" / name / "tasks" / "main.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tasks)


@contextmanager
def silence(host: Host) -> Iterator[None]:
    """Lose every packet of the one connection that ssh has to ``host``, in both directions."""
    argv = ["ss", "--no-header", "--tcp", "--numeric", "state", "established", "dst", f"{host.address}:{host.port}"]
    (connection,) = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    port = connection.split()[2].rpartition(":")[2]
    comment = ["--match", "comment", "--comment", f"silence of {host.name}"]
    rules = [
        ["INPUT", "--source", host.address, "--protocol", "tcp", "--dport", port, *comment, "--jump", "DROP"],
        ["OUTPUT", "--destination", host.address, "--protocol", "tcp", "--sport", port, *comment, "--jump", "DROP"],
    ]
    for rule in rules:
        subprocess.run(["iptables", "--wait", "--insert", *rule], check=True)
    try:
        yield
    finally:
        for rule in rules:
            subprocess.run(["iptables", "--wait", "--delete", *rule], check=True)


def end_silence(lab: str) -> None:
    """Remove the rules that a killed test has left for hosts of the lab of this name."""
    listed = subprocess.run(["iptables", "--wait", "--list-rules"], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        if re.search(rf'--comment "silence of {re.escape(lab)}\d+"', line):
            subprocess.run(["iptables", "--wait", "--delete", *shlex.split(line)[1:]], check=True)
