"""Looks at hosts: how many trips they take, what of drift is known, and how they go on and end."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import pytest
from tests.unit.cli_site import invoke, write
from tests.unit.fake_host import DEBIAN, FakeHost, FakePlay, Setting, handler, task
from tests.unit.fake_line import GoodLine
from tests.unit.status_answer import APP, MACHINE

from provision.errors import AuthenticationError, ConfigError, ConnectionLost, HostError, Position, Refused
from provision.masking import Mask
from provision.ops import status_run
from provision.ops.status_run import Drift, Look, Seen, StatusRun, Target, exit_code
from provision.resources.base import Diff, Facts, Step
from provision.resources.task import Playbook
from provision.transport.protocol import Connection, Login

WEB1 = Login("web1", "web1")


@dataclass
class Answering(FakeHost):
    """A host that answers to the question for its status, too."""

    asked: int = 0

    def _answer(self, script: str) -> str:
        if "of_app()" not in script:
            return super()._answer(script)
        self.asked += 1
        return MACHINE + APP


@dataclass
class Machines:
    """A connection to a new or the same host; what is in ``faults`` is raised first."""

    host: Answering = field(default_factory=Answering)
    faults: list[Exception] = field(default_factory=list)
    logins: int = 0

    def __call__(self, login: Login) -> Connection:
        self.logins += 1
        if self.faults:
            raise self.faults.pop(0)
        return GoodLine(self.host)


def play(value: str = "new", name: str = "Set it") -> FakePlay:
    return FakePlay(Playbook((task(Setting(key="a", value=value), "Restart", name=name),), (handler(),)))


@dataclass
class Broken(FakePlay):
    """Roles of which a variable cannot be rendered."""

    def resolve(self, facts: Facts) -> Playbook:
        raise ConfigError("no such\nkey hunter22", position=Position(Path("a.yml"), 3, 1))


class Moved(Setting):
    """A change that is refused."""

    def change(self, diff: Diff) -> list[Step]:
        raise Refused("port 8000 cannot change")


def look_once(target: Target, machines: Machines, mask: Mask | None = None) -> Seen:
    (seen,) = StatusRun([Look(target, machines, mask or Mask())]).seen()
    return seen


def test_status_and_drift_are_one_trip() -> None:
    machines = Machines(Answering({"a": "old"}))
    seen = look_once(Target(WEB1, play()), machines)

    assert (machines.host.trips, machines.host.asked, machines.logins) == (1, 1, 1)
    assert seen.status is not None
    assert seen.status.apps[0].deployment == 3
    assert seen.drift == Drift("pending", ("web : Set it", "web : Restart"))
    assert machines.host.log == []


def test_a_host_as_its_inventory_says() -> None:
    target = Target(WEB1, FakePlay(Playbook((task(Setting(key="a")),), ())))
    assert look_once(target, Machines(Answering({"a": "new"}))).drift == Drift("in_sync")


@pytest.mark.parametrize(
    ("target", "drift"),
    [
        (Target(WEB1), None),
        (Target(WEB1, reason="hunter22: no such role"), Drift("unknown", reason="(secret): no such role")),
        (
            Target(WEB1, Broken(Playbook((), ()))),
            Drift("unknown", reason="a.yml:3:1: no such key (secret)"),
        ),
        (
            Target(WEB1, FakePlay(Playbook((task(Moved(key="a")),), ()))),
            Drift("unknown", reason="port 8000 cannot change"),
        ),
    ],
)
def test_what_cannot_be_compared_is_shown_all_the_same(target: Target, drift: Drift | None) -> None:
    mask = Mask()
    mask.add(["hunter22"])
    seen = look_once(target, Machines(), mask)

    assert (seen.error, seen.drift) == (None, drift)
    assert seen.status is not None


def test_the_names_of_tasks_hold_no_secret() -> None:
    mask = Mask()
    mask.add(["hunter22"])
    seen = look_once(Target(WEB1, play(name="Set hunter22")), Machines(), mask)
    assert seen.drift is not None
    assert seen.drift.changes[0] == "web : Set (secret)"


@pytest.mark.parametrize("wanted", [None, play()])
def test_a_host_that_cannot_be_managed_is_named(wanted: FakePlay | None) -> None:
    machines = Machines(Answering(facts=DEBIAN.replace("id=debian", "id=alpine")))
    seen = look_once(Target(WEB1, wanted), machines)
    assert "this host runs Alpine" in str(seen.error or (seen.drift and seen.drift.reason))


def test_one_fault_keeps_no_other_host_from_being_seen() -> None:
    hosts = {name: Machines() for name in ("web1", "web2")}
    hosts["web1"].faults.append(ConnectionLost("gone"))
    looks = [Look(Target(Login(name, name)), machines, Mask()) for name, machines in hosts.items()]
    seen = {found.host: found for found in StatusRun(looks, forks=1).seen()}

    assert str(seen["web1"].error) == "gone"
    assert seen["web2"].status is not None
    assert exit_code(list(seen.values())) == 3
    assert exit_code([*seen.values(), Seen("web3", error=HostError("odd"))]) == 1
    assert exit_code([seen["web2"]]) == 0


def watch(look: Look, number: int, interval: float = 0.001) -> list[Seen]:
    return list(islice(StatusRun([look], interval=interval).seen(), number))


def test_a_watch_keeps_its_connection_and_compares_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    machines = Machines(Answering({"a": "old"}))
    seen = watch(Look(Target(WEB1, play()), machines, Mask()), 3)

    assert machines.logins == 1
    assert [found.drift for found in seen] == [seen[0].drift] * 3
    first, second, *_ = machines.host.surveys
    assert len(second) < len(first)
    monkeypatch.setattr(status_run, "DRIFT_EVERY", 0.0)
    machines = Machines(Answering({"a": "old"}))
    watch(Look(Target(WEB1, play()), machines, Mask()), 2)
    first, second, *_ = machines.host.surveys
    assert len(second) == len(first)


def test_a_watch_comes_back_to_a_host_that_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_run, "RETRY", 0.001)
    machines = Machines(faults=[ConnectionLost("gone")])
    away, back = watch(Look(Target(WEB1), machines, Mask()), 2)
    assert str(away.error) == "gone"
    assert back.status is not None


def test_a_watch_does_not_try_a_refused_login_again() -> None:
    machines = Machines(faults=[AuthenticationError("no")] * 2)
    assert len(watch(Look(Target(WEB1), machines, Mask()), 2)) == 1
    assert machines.logins == 1


def test_stop_ends_a_watch_while_it_waits() -> None:
    run = StatusRun([Look(Target(WEB1), Machines(), Mask())], interval=3600.0)
    seen = run.seen()
    assert next(seen).status is not None
    threading.Thread(target=run.stop).start()
    assert list(seen) == []


def test_what_nobody_foresaw_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        look_once(Target(WEB1), Machines(faults=[ZeroDivisionError()]))


def site(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """Two hosts that are not there, in a folder to work in."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    host = "{ansible_host: 127.0.0.1, ansible_port: 1}"
    write(folder, {"inventory.yml": f"all: {{hosts: {{web1: {host}, web2: {host}}}, vars: {{roles: []}}}}\n", **files})


def test_the_command_ends_with_3_where_a_host_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site(tmp_path, monkeypatch)
    page, rows = invoke("status"), invoke("status", "--json", "--limit", "web2")

    assert (page.exit_code, page.stdout) == (3, "")
    assert [f"unreachable: [{name}]" in page.stderr for name in ("web1", "web2")] == [True, True]
    assert rows.exit_code == 3
    assert [json.loads(row)["host"] for row in rows.stdout.splitlines()] == ["web2"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--watch", "inventory.yml"), "the inventory comes first: provision status inventory.yml --watch"),
        (("--watch", "0.5"), "0.5 is not between 1 and 86400 seconds"),
        (("--watch", "nan"), "nan is not between 1 and 86400 seconds"),
        (("nosuch.yml",), "nosuch.yml"),
        (("--limit", "nosuch"), "no host and no group matches 'nosuch'"),
    ],
)
def test_words_that_cannot_be_meant(
    words: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site(tmp_path, monkeypatch)
    done = invoke("status", *words)
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_play_that_cannot_be_made_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from provision.ops.targets import Targets

    site(tmp_path, monkeypatch, **{"host_vars/web1.yml": "roles: [nosuch]\n"})
    targets = Targets(tmp_path / "inventory.yml")
    web1, web2 = status_run.targets_of(targets, Mask(), drift=True)
    assert web1.play is None
    assert "host_vars/web1.yml:1:9: there is no role nosuch" in web1.reason
    assert (web2.play is not None, web2.reason) == (True, "")
    assert status_run.targets_of(targets, Mask(), drift=False) == [replace(web1, reason=""), Target(web2.login)]
