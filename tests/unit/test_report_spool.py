"""The queue between host threads and the printing thread."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from tests.unit.waiting import PATIENCE

from provision.events import Event, Notice
from provision.report.spool import Spool


class Recorder:
    """A view that writes down what is asked of it."""

    interval: float | None = None

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.threads: set[int] = set()

    def show(self, event: Event) -> None:
        assert isinstance(event, Notice)
        self.threads.add(threading.get_ident())
        self.calls.append(event.text)

    def tick(self) -> None:
        self.calls.append("tick")

    def suspend(self) -> None:
        self.calls.append("suspend")

    def resume(self) -> None:
        self.calls.append("resume")

    def close(self) -> None:
        self.calls.append("close")


def test_one_thread_prints_what_all_emit_in_order() -> None:
    """The events of one thread keep their order; none is lost."""
    view = Recorder()

    def emit(name: str) -> None:
        for number in range(200):
            spool(Notice(name, f"{name} {number}"))

    with Spool(view) as spool:
        hosts = [threading.Thread(target=emit, args=(name,)) for name in "abcd"]
        for host in hosts:
            host.start()
        for host in hosts:
            host.join()
    assert view.calls.pop() == "close"
    assert len(view.calls) == 800
    assert [call for call in view.calls if call.startswith("c")] == [f"c {number}" for number in range(200)]
    assert len(view.threads) == 1
    assert threading.get_ident() not in view.threads


def test_a_pause_keeps_the_screen_until_it_is_over() -> None:
    """Events that come meanwhile are shown afterwards."""
    view = Recorder()
    with Spool(view) as spool:
        spool(Notice("a", "before"))
        with spool.pause():
            spool(Notice("a", "meanwhile"))
            assert view.calls == ["before", "suspend"]
    assert view.calls == ["before", "suspend", "resume", "meanwhile", "close"]


def test_a_pause_ends_with_an_error_too() -> None:
    """An interrupted question gives the screen back."""
    view = Recorder()
    with Spool(view) as spool, pytest.raises(KeyboardInterrupt), spool.pause():
        raise KeyboardInterrupt
    assert view.calls == ["suspend", "resume", "close"]


def test_clocks_go_on_while_nothing_happens() -> None:
    """The view is called at its interval."""
    view = Recorder()
    view.interval = 0.001
    ticked = threading.Event()
    view.tick = ticked.set  # type: ignore[method-assign]  # to wait for it
    with Spool(view):
        assert ticked.wait(PATIENCE)


def test_a_view_that_fails_stops_no_host() -> None:
    """Hosts go on, a question is still asked; the failure is raised when the run is over."""
    view = Recorder()
    asked = []

    def run() -> None:
        with Spool(view) as spool:
            spool(Event("no notice"))
            with spool.pause():
                asked.append(True)
            spool(Notice("a", "not shown"))

    with pytest.raises(AssertionError):
        run()
    assert asked
    assert view.calls == []


def test_an_error_of_the_run_comes_before_one_of_the_view() -> None:
    """The first cause is the one to show."""

    def run() -> None:
        with Spool(Recorder()) as spool:
            spool(Event("no notice"))
            raise ValueError("run")

    with pytest.raises(ValueError, match="run"):
        run()


def test_a_reader_that_is_gone_stops_no_host() -> None:
    """`provision up | head -1`: the run goes on to its end, quietly."""
    code = (
        "import sys\n"
        "from provision.events import Notice\n"
        "from provision.report import Detail, open_report\n"
        "sys.stdin.readline()\n"
        "with open_report(Detail()) as report:\n"
        "    for number in range(20000): report(Notice('web1', str(number)))\n"
        "print('run is over', file=sys.stderr)\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write("go\n")
        process.stdin.flush()
        said = process.stderr.read()
        assert (said, process.wait(PATIENCE)) == ("run is over\n", 0)
