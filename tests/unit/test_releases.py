"""The record of deployments: how it is read, shown, and what a rollback makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from provision.errors import HostError, Refused
from provision.ops.events import CommandEnded, CommandOutput
from provision.ops.releases import Collector, Deployed, parse, rollback_targets
from provision.ops.rollback import Rollback
from provision.ops.targets import Targets
from provision.report.releases import print_releases

LINE = (
    "number=10 state=serving memory=53 digest=dd release=f81bd20064c5b4b9 build=bb workers=2 slot=green previous=9 "
    "when=2026-11-24T11:03:56Z \n"
    "finished=yes number=9 state=kept memory= digest=cc release=199282ab3930bb21 build=aa workers=1 slot=blue "
    "previous= when=2026-11-23T10:00:00Z \n"
)


def deployed(number: int, digest: str, state: str = "kept", previous: int | None = None, when: str = "") -> Deployed:
    return Deployed(number, state, when or f"2026-01-{number:02}", digest, digest, 2, None, "blue", previous)


def test_what_a_host_says_is_put_in_order() -> None:
    older, newer = parse(LINE)

    assert (older.number, older.state, older.memory_mb, older.previous, older.finished) == (9, "kept", None, None, True)
    assert newer == Deployed(10, "serving", "2026-11-24T11:03:56Z", "dd", "f81bd20064c5b4b9", 2, 53, "green", 9, False)


@pytest.mark.parametrize("text", ["number=1\n", "hello\n", LINE.replace("number=9", "number=x")])
def test_a_damaged_record(text: str) -> None:
    with pytest.raises(HostError, match="record of a deployment cannot be used"):
        parse(text)


def test_hosts_stay_in_their_order_whoever_answers_first() -> None:
    collector = Collector(["web1", "web2", "web3", "web4"])
    for host, error in (("web3", HostError("gone")), ("web4", HostError("gone")), ("web2", None), ("web1", None)):
        collector(CommandOutput(host, "out", LINE.encode()))
        collector(CommandEnded(host, None if error else 0, error))

    assert list(collector.records()) == ["web1", "web2"]
    assert list(collector.errors) == ["web3", "web4"]
    assert [end.host for end in collector.ends] == ["web1", "web2", "web3", "web4"]


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_releases(["web1", "web2", "web3"], {"web1": parse(LINE), "web2": []}, {"web3": HostError("gone")}, json=False)

    out, err = capsys.readouterr()
    assert out == (
        "web1\n"
        "      MADE (UTC)           RELEASE       WORKERS    SLOT   STATE\n"
        "  10  2026-11-24 11:03:56  f81bd20064c5  2 x 53 MB  green  serving\n"
        "   9  2026-11-23 10:00:00  199282ab3930  1          blue   kept\n"
        "\n"
        "web2\n"
        "  nothing is deployed\n"
    )
    assert "web3" in err
    assert "gone" in err


def test_the_table_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    print_releases(["web1", "web2"], {"web1": parse(LINE)}, {"web2": HostError("gone")}, json=True)

    first, second, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["event"], first["host"], first["number"], first["memory_mb"]) == ("deployment", "web1", 10, 53)
    assert second["number"] == 9
    assert (last["event"], last["host"], last["error"]["message"]) == ("host_failed", "web2", "gone")


def test_one_step_back() -> None:
    records = {"web1": [deployed(1, "a"), deployed(2, "b", "serving", previous=1)]}

    assert rollback_targets(records) == {"web1": records["web1"][0]}


def test_a_host_that_a_stopped_roll_left_behind_stays_where_it_is() -> None:
    records = {
        "web1": [deployed(1, "a"), deployed(2, "b", "serving", previous=1)],
        "web2": [deployed(1, "z"), deployed(2, "a", "serving", previous=1, when="2026-01-01")],
    }

    assert rollback_targets(records) == {"web1": records["web1"][0], "web2": None}


def test_hosts_that_serve_the_same_go_back_together() -> None:
    records = {
        name: [deployed(1, "a"), deployed(2, "bad", "failed"), deployed(3, "b", "down", previous=1)]
        for name in ("web1", "web2")
    }

    assert rollback_targets(records) == {name: found[0] for name, found in records.items()}


def test_one_that_was_cut_is_finished_instead_of_going_back_one_more() -> None:
    before = [deployed(1, "z"), deployed(2, "a", previous=1), deployed(3, "b", "rolled-back", previous=2)]
    cut = replace(deployed(5, "a", "serving", previous=1), finished=False)
    records = {
        "web1": [*before, deployed(4, "bad", "failed"), cut],
        "web2": [*before[:2], deployed(3, "b", "serving", previous=2)],
        "web3": [*before[:1], deployed(2, "a", "serving", previous=1)],
    }

    assert rollback_targets(records) == {"web1": cut, "web2": records["web2"][1], "web3": None}
    # A deployment that was cut is one to go back from.
    records = {"web1": [deployed(1, "a"), replace(deployed(2, "b", "serving", previous=1), finished=False)]}
    assert rollback_targets(records) == {"web1": records["web1"][0]}


def test_to_a_number() -> None:
    records = {"web1": [deployed(1, "a"), deployed(2, "b", "failed"), deployed(3, "c", "serving", previous=1)]}

    assert rollback_targets(records, 1) == {"web1": records["web1"][0]}
    assert rollback_targets(records, 3) == {"web1": None}
    # Once more, after it was cut: it is finished.
    cut = replace(deployed(4, "a", "serving"), finished=False)
    assert rollback_targets({"web1": [deployed(1, "a"), deployed(3, "c", "rolled-back"), cut]}, 1) == {"web1": cut}


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (7, "deployment 7 is not on the record of web1"),
        (2, "deployment 2 of web1 has never served"),
        (None, "web1 has no deployment before 3 on record"),
    ],
)
def test_where_there_is_no_way_back(to: int | None, message: str) -> None:
    with pytest.raises(Refused, match=message):
        rollback_targets({"web1": [deployed(2, "b", "failed"), deployed(3, "c", "serving")]}, to)


def test_nothing_to_go_back_from() -> None:
    with pytest.raises(Refused, match="nothing is deployed on web1"):
        rollback_targets({"web1": []})


def test_of_the_environment_is_masked_what_is_known_without_the_host(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(
        "all:\n  hosts: {web1: }\n  vars:\n    shop_key: k3y-k3y\n    app_env:\n"
        "      API_KEY: '{{ shop_key }}'\n      MEMORY: '{{ ansible_memtotal_mb }}'\n      B_KEY: '{{ not_there }}'\n"
    )
    targets = Targets(inventory)
    (host,) = targets.hosts
    env = targets.app_env(host)
    assert env == {"API_KEY": "k3y-k3y"}
    assert Rollback(name="shop", number=1, digest="d", env=env).confidential() == ["k3y-k3y"]
