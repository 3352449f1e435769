"""A command behind a real root shell of this machine: its streams, its input, its end."""

from __future__ import annotations

import functools
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.unit.waiting import PATIENCE, eventually

from provision.errors import Interrupted, Refused, Unreachable
from provision.ops import side_by_side
from provision.ops.commands import Program, on_host, one_line
from provision.ops.events import CommandEnded, CommandEvent, CommandOutput
from provision.ops.relay import INPUT, Relay
from provision.ops.side_by_side import Job, SideBySide, exit_code
from provision.shell import Sh, sh
from provision.transport.local import LocalStream
from provision.transport.protocol import Connection, Login

EVERY_BYTE = bytes(range(256))


class Line(LocalStream):
    """A line whose far end is still heard when it is closed, as with SSH."""

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def finish(self) -> None:
        super().close()


class Here:
    """A connection to this machine."""

    by_key = True

    def __init__(self, shell: str) -> None:
        self._shell = shell
        self.lines: list[Line] = []

    def root_stream(self, command: str) -> Line:
        self.lines.append(Line([self._shell, "-c", command]))
        return self.lines[-1]

    def close(self) -> None:
        for line in self.lines:
            line.close()


class Machine:
    """This machine as any number of hosts, but for one called ``gone``."""

    def __init__(self, shell: str = "sh") -> None:
        self._shell = shell
        self._made: list[Here] = []

    def __call__(self, login: Login) -> Connection:
        if login.name == "gone":
            raise Unreachable("gone")
        self._made.append(Here(self._shell))
        return self._made[-1]

    def finish(self) -> None:
        for connection in self._made:
            for line in connection.lines:
                line.finish()


@pytest.fixture(params=["dash", "bash"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Relay]]:
    """Makes relays of a command; all are closed at the end."""
    machine = Machine(request.param)
    yield lambda command: Relay(machine(Login("web1", "web1")), Sh(command), base=str(tmp_path / "run"))
    machine.finish()


class Output:
    """What a command printed."""

    def __init__(self) -> None:
        self.out = self.err = b""
        self.came = threading.Event()

    def __call__(self, stream: str, data: bytes) -> None:
        if stream == "out":
            self.out += data
        else:
            self.err += data
        self.came.set()


def feed(relay: Relay, data: bytes) -> bool:
    """All of ``data`` and the end; was all of it taken?"""
    chunks = [data[at : at + INPUT] for at in range(0, len(data), INPUT)]
    return all(relay.feed(chunk) for chunk in [*chunks, b""])


def test_streams_and_status_come_apart(start: Callable[[str], Relay]) -> None:
    output = Output()
    assert start("printf 'a\\n\\nb'; printf c >&2; exit 3").run(output) == 3
    assert (output.out, output.err) == (b"a\n\nb", b"c")


def test_without_input_there_is_an_end_at_once(start: Callable[[str], Relay]) -> None:
    output = Output()
    assert start("cat; echo over").run(output) == 0
    assert output.out == b"over\n"


def test_any_bytes_go_in_and_out(start: Callable[[str], Relay]) -> None:
    """More than a pipe and more than one chunk holds, through a command that prints while it reads."""
    data, output = EVERY_BYTE * (INPUT // 128), Output()
    relay = start("tee /dev/stderr")
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(feed, relay, data)
        assert relay.run(output, reads_input=True) == 0
        assert taken.result(PATIENCE)
    assert output.out == data
    assert output.err == data


def test_a_command_need_not_read(start: Callable[[str], Relay]) -> None:
    """What it leaves is never taken for a request."""
    relay = start("exit 4")
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(feed, relay, b"trip t1\nput ../x 1\n" * INPUT)
        assert relay.run(Output(), reads_input=True) == 4
        assert not taken.result(PATIENCE)


def test_output_comes_while_the_command_runs(start: Callable[[str], Relay]) -> None:
    output = Output()
    relay = start("echo first; cat; echo last")
    with ThreadPoolExecutor(1) as pool:
        status = pool.submit(relay.run, output, reads_input=True)
        assert output.came.wait(PATIENCE)
        assert output.out == b"first\n"
        assert relay.feed(b"")
        assert status.result(PATIENCE) == 0
    assert output.out == b"first\nlast\n"


@pytest.mark.parametrize(("name", "status"), [("INT", 130), ("TERM", 143), ("HUP", 129)])
def test_signals_reach_the_command(start: Callable[[str], Relay], name: str, status: int) -> None:
    """Also where it does not read the input that it was given."""
    output = Output()
    # exec: dash loses a SIGINT that comes while it starts a process.
    relay = start("echo ready; exec sleep 60")
    with ThreadPoolExecutor(2) as pool:
        ended = pool.submit(relay.run, output, reads_input=True)
        pool.submit(feed, relay, b"x" * 3 * INPUT)
        assert output.came.wait(PATIENCE)
        relay.signal(name)
        assert ended.result(PATIENCE) == status


def test_signals_reach_what_the_command_has_started(start: Callable[[str], Relay]) -> None:
    output = Output()
    relay = start("sleep 60 & echo $!; wait")
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(relay.run, output)
        assert output.came.wait(PATIENCE)
        relay.signal("TERM")
        assert ended.result(PATIENCE) == 143
    eventually(lambda: not Path(f"/proc/{output.out.decode().strip()}").exists())


def test_the_command_ends_with_the_line(start: Callable[[str], Relay], tmp_path: Path) -> None:
    """And leaves no folder behind."""
    output = Output()
    relay = start("echo $$; sleep 60")
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(relay.run, output)
        assert output.came.wait(PATIENCE)
        relay.close()
        assert ended.result(PATIENCE) == 143
    eventually(lambda: not Path(f"/proc/{output.out.decode().strip()}").exists())
    eventually(lambda: not os.listdir(tmp_path / "run"))


def test_a_program_may_refuse(start: Callable[[str], Relay]) -> None:
    with pytest.raises(Refused, match="no such app") as caught:
        start('printf "%s\\n" "no such app" "run up" >"$HERE/refused"; exit 1').run(Output())
    assert caught.value.hint == "run up"


def test_signals_are_as_a_login_shell_has_them(start: Callable[[str], Relay]) -> None:
    """`yes | head` would run for ever where SIGPIPE is ignored."""
    output = Output()
    assert start("yes | head -n 1; trap").run(output) == 0
    assert output.out == b"y\n"


def test_a_line_and_words_are_run_as_they_are(start: Callable[[str], Relay]) -> None:
    output = Output()
    for words in (["echo one; echo 't w o'"], ["printf", "%s|", "a  b", "$HOME", "*", ""], ["true"]):
        assert start(on_host(words).text).run(output) == 0
    assert output.out == b"one\nt w o\na  b|$HOME|*||"


def test_one_line_is_read_alike_by_every_login_shell() -> None:
    """Nothing but what single quotes of any shell leave alone."""
    packed = one_line(sh("echo {}", "it's \\ ! \n %"))
    assert not set(packed) & set("'\\!\n")
    done = subprocess.run(["sh", "-c", f"exec sh -c '{packed}'"], capture_output=True, text=True, check=True)
    assert done.stdout == "it's \\ ! \n %\n"


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setattr(side_by_side, "Relay", functools.partial(Relay, base=str(tmp_path / "run")))
    machine = Machine()
    yield machine
    machine.finish()


def jobs(**commands: str) -> list[Job]:
    return [Job(Login(name, name), Program(Sh(command))) for name, command in commands.items()]


def test_hosts_run_side_by_side(hosts: Machine, tmp_path: Path) -> None:
    """Each waits for a file of the other: in turn they would never end."""
    meet = "touch {0}; while [ ! -e {1} ]; do sleep 0.02; done; echo met"
    a, b = tmp_path / "a", tmp_path / "b"
    events: list[CommandEvent] = []
    work = SideBySide(jobs(a=meet.format(a, b), b=meet.format(b, a)), events.append, hosts)
    assert [(end.host, end.status) for end in work.execute()] == [("a", 0), ("b", 0)]
    assert {(event.host, event.data) for event in events if isinstance(event, CommandOutput)} == {
        ("a", b"met\n"),
        ("b", b"met\n"),
    }


def test_one_host_that_is_not_there_keeps_no_other(hosts: Machine) -> None:
    ends = SideBySide(jobs(a="exit 0", gone="exit 0", c="exit 7"), lambda event: None, hosts).execute()
    assert [end.status for end in ends] == [0, None, 7]
    assert isinstance(ends[1].error, Unreachable)
    assert (exit_code(ends), exit_code(ends[:2]), exit_code(ends[:1])) == (1, 3, 0)


def test_stop_interrupts_what_runs_and_starts_nothing_more(hosts: Machine) -> None:
    running = threading.Event()
    work = SideBySide(jobs(a="echo on; exec sleep 60", b="echo on"), lambda event: running.set(), hosts, forks=1)
    with ThreadPoolExecutor(1) as pool:
        ends = pool.submit(work.execute)
        assert running.wait(PATIENCE)
        work.stop()
        first, second = ends.result(PATIENCE)
    assert first.status == 130
    assert isinstance(second.error, Interrupted)


def test_abort_ends_what_does_not_mind_an_interrupt(hosts: Machine) -> None:
    running = threading.Event()
    work = SideBySide(jobs(a="trap '' INT; echo on; exec sleep 60"), lambda event: running.set(), hosts)
    with ThreadPoolExecutor(1) as pool:
        ends = pool.submit(work.execute)
        assert running.wait(PATIENCE)
        work.abort()
        assert ends.result(PATIENCE)[0].status == 143


def test_a_reader_that_is_gone_ends_the_command(hosts: Machine) -> None:
    def gone(event: CommandEvent) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        SideBySide(jobs(a="yes"), gone, hosts).execute()


def test_input_is_read_as_it_is_wanted(hosts: Machine) -> None:
    pieces = iter([b"one ", b"two ", b""])
    seen: list[CommandEvent] = []
    (end,) = SideBySide(jobs(a="cat"), seen.append, hosts, read=lambda: next(pieces)).execute()
    assert end == CommandEnded("a", 0)
    assert b"".join(event.data for event in seen if isinstance(event, CommandOutput)) == b"one two "
