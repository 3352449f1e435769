"""The benchmarks' own arithmetic, page, picture and long line; what they measure is `make bench`'s to say."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.benchmarks.cases import Case
from tests.benchmarks.measured import Cost, Failed, run
from tests.benchmarks.page import Measured, page
from tests.benchmarks.plot import plot
from tests.benchmarks.store import Store
from tests.benchmarks.targets import targets
from tests.unit.waiting import PATIENCE


def _case(name: str, **walls: float) -> Case:
    return Case(name, {tool.replace("_", " "): [Cost(wall, 0.4, 60.0)] * 3 for tool, wall in walls.items()})


CASES = (
    _case("first run", provision=22.0, ansible=44.0),
    _case("nothing to do, 1 host, 0 ms", provision=0.5, ansible=12.0, pyinfra=2.0, ssh_host_true=0.25),
    _case("nothing to do, 1 host, 80 ms", provision=1.2, ansible=30.0, pyinfra=12.0, ssh_host_true=1.0),
    Case("nothing to do, 50 hosts, 0 ms", {"provision": [Cost(5.0, 5.3, 85.0)], "ansible": [Cost(60.0, 90.0, 900.0)]}),
)


def test_targets_are_met_or_missed() -> None:
    found = {target.what: (round(target.found, 3), target.met) for target in targets(CASES, {100: 0.12}, 50)}
    assert found["nothing to do, 1 host, 0 ms, of `ssh host true`"] == (2.0, True)
    assert found["nothing to do, 1 host, 0 ms, faster than Ansible"] == (24.0, True)
    assert found["nothing to do, 1 host, 0 ms, faster than pyinfra"] == (4.0, False)
    assert found["nothing to do, 1 host, 80 ms, of `ssh host true`"] == (1.2, True)
    assert found["nothing to do, 50 hosts, faster than Ansible"] == (12.0, True)
    assert found["CPU for each further host"] == (100.0, False)
    assert found["memory for each further host"] == (0.51, True)
    assert found["survey of 100 resources, CPU of the host"] == (120.0, False)


def test_what_was_not_measured_is_left_out() -> None:
    found = {target.what for target in targets(CASES, {}, 50)}
    assert "first run, of the script by hand" not in found
    assert "nothing to do, 50 hosts, faster than pyinfra" not in found
    assert "survey of 100 resources, CPU of the host" not in found


def test_page_and_picture() -> None:
    text = page(Measured(CASES, {100: 0.12}, "today", {"provision": "provision 1"}, 50))
    assert "| ansible | 12.00 | 12.00 - 12.00 | 24.0 x | 0.40 | 60 |" in text
    assert "| nothing to do, 1 host, 0 ms, faster than pyinfra | 4 x | at least 5 x | **missed** |" in text
    assert "| 100 | 120 ms |" in text
    bars = ElementTree.fromstring(plot(CASES)).findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == sum(len(case.costs) for case in CASES)


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    """A case that is measured again takes the place of what it was, and the others stay."""
    store = Store.load(tmp_path / "performance.json")
    store.survey, store.survey_made, store.versions = {100: 0.12}, "today", {"provision": "1"}
    for case in CASES:
        store.keep(replace(case, made="yesterday"))
    again = Store.load(store.path)
    assert again == store
    again.keep(replace(CASES[0], costs={"provision": [Cost(1.0, 2.0, 3.0)]}, made="today"))
    made = {name: case.made for name, case in Store.load(store.path).cases.items()}
    assert made == {case.name: "yesterday" for case in CASES} | {"first run": "today"}


def test_some_tools_are_measured_again_beside_the_others(tmp_path: Path) -> None:
    """The case says which of its figures are older."""
    store, old, new = Store(tmp_path / "performance.json"), [Cost(9.0, 9.0, 9.0)], [Cost(1.0, 1.0, 1.0)]
    store.keep(Case("many hosts", {"provision": old, "ansible": old}, "at a"))
    store.merge(Case("many hosts", {"provision": new}, "at b"))
    assert store.cases["many hosts"] == Case(
        "many hosts", {"provision": new, "ansible": old}, "at b: provision\nat a: ansible"
    )
    store.merge(Case("many hosts", {"provision": new}, "at c"))
    assert store.cases["many hosts"].made == "at c: provision\nat a: ansible"
    store.merge(Case("others", {"provision": new}, "at b"))
    assert store.cases["others"].made == "at b"


def test_a_run_costs_what_it_takes() -> None:
    cost = run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass\ntime.sleep(3)"])
    assert 0.3 <= cost.cpu < cost.wall - 0.1
    # Its share: other interpreters have the same pages.
    assert cost.memory > 1
    with pytest.raises(Failed, match=r"ended with 3\nwhy"):
        run(["sh", "-c", "echo why; exit 3"])


@pytest.fixture
def echo() -> Iterator[str]:
    """A place of this machine that says what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = (
            f"import socket\nserver = socket.socket(fileno={server.fileno()})\nend, _ = server.accept()\n"
            "while data := end.recv(100):\n    end.sendall(data)\n"
        )
        with subprocess.Popen([sys.executable, "-c", code], pass_fds=[server.fileno()]) as process:
            yield f"127.0.0.1:{server.getsockname()[1]}"
            process.kill()


def test_the_long_line_delays_each_way(echo: str) -> None:
    words = [sys.executable, "-m", "tests.benchmarks.proxy", "0.1", echo]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdin
        assert proxy.stdout
        with socket.create_connection(("127.0.0.1", int(proxy.stdout.readline())), PATIENCE) as line:
            began = time.monotonic()
            line.sendall(b"there and back")
            assert line.recv(100) == b"there and back"
            assert time.monotonic() - began >= 0.2
        proxy.stdin.close()
