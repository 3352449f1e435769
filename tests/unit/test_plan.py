"""Compare and order: what differs, what is selected (tags as in Ansible), what the plan says of each task."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import cast

import pytest
from ansible.playbook.taggable import Taggable  # type: ignore[import-untyped]

from provision.plan import Plan, Selection, compare
from provision.resources.base import Change, Facts, Read, Reading, Stat
from provision.resources.task import Task

from .fake_host import FakeHost, Guarded, Setting, converge, task

CONFIG, OTHER = Setting(key="config"), Setting(key="other")


def plan_of(fake: FakeHost, *tasks: Task) -> Plan:
    host = converge(fake, tasks)
    host.survey()
    return host.plan()


def words(plan: Plan) -> list[str]:
    return [verdict.word for verdict in plan.verdicts]


def names(plan: Plan) -> list[str]:
    return [item.name for item in plan.items]


# compare


def test_compare_finds_what_differs_and_nothing_else() -> None:
    stat = Stat("/etc/x")
    observed: dict[Read, Reading] = {stat: {"mode": "0600", "owner": "root"}}
    diff = compare({stat["mode"]: "0644", stat["owner"]: "root", stat["group"]: "app"}, observed, Facts())
    assert diff.changes == (Change(stat["mode"], "0600", "0644"), Change(stat["group"], "", "app"))
    assert diff.before(stat["owner"]) == "root"
    assert diff.differs("mode")
    assert not diff.differs("owner")


def test_what_was_never_read_is_empty() -> None:
    stat = Stat("/etc/x")
    nothing: dict[Read, Reading] = {}
    assert compare({stat["mode"]: ""}, nothing, Facts()).changes == ()
    assert compare({stat["mode"]: "0644"}, nothing, Facts()).changes == (Change(stat["mode"], "", "0644"),)


# selection

TAGS = ("web", "db", "always", "never")
ASKED = ("web", "db", "always", "never", "tagged", "untagged", "all")


def subsets(tags: tuple[str, ...], most: int) -> list[frozenset[str]]:
    return [frozenset(c) for size in range(most + 1) for c in itertools.combinations(tags, size)]


def ansible_runs(task_tags: frozenset[str], only: frozenset[str], skip: frozenset[str]) -> bool:
    """Ansible's own answer; its command line asks for "all" where the user asks for nothing."""
    asked = SimpleNamespace(
        tags=list(task_tags),
        untagged=Taggable.untagged,
        _loader=None,
        _get_all_taggable_objects=list,
    )
    return cast(bool, Taggable.evaluate_tags(cast(Taggable, asked), only or {"all"}, skip, {}))


@pytest.mark.parametrize("task_tags", subsets(TAGS, 4), ids=lambda tags: ",".join(sorted(tags)) or "no tags")
def test_tags_select_as_in_ansible(task_tags: frozenset[str]) -> None:
    tagged = task(CONFIG, tags=task_tags)
    ours, theirs = {}, {}
    for only, skip in itertools.product(subsets(ASKED, 2), repeat=2):
        ours[only, skip] = tagged in Selection(only, skip)
        theirs[only, skip] = ansible_runs(task_tags, only, skip)
    assert ours == theirs


@pytest.mark.parametrize(
    ("tags", "only", "skip", "runs"),
    [
        ("", "", "", True),
        ("", "web", "", False),
        ("web", "web", "", True),
        ("web", "db", "", False),
        ("web db", "db", "", True),
        ("web db", "db", "web", False),
        ("always", "web", "", True),
        ("always", "", "always", False),
        ("always", "", "all", True),
        ("never", "", "", False),
        ("never", "all", "", False),
        ("never web", "tagged", "", False),
        ("never web", "web", "", True),
        ("web", "tagged", "", True),
        ("", "tagged", "", False),
        ("", "untagged", "", True),
        ("web", "untagged", "", False),
        ("web", "", "tagged", False),
        ("", "", "untagged", False),
    ],
)
def test_tags_by_example(tags: str, only: str, skip: str, runs: bool) -> None:
    chosen = Selection(frozenset(only.split()), frozenset(skip.split()))
    assert (task(CONFIG, tags=tags.split()) in chosen) is runs


def test_roles_narrow_what_tags_select() -> None:
    web, db = task(CONFIG, role="web", tags=["always"]), task(OTHER, role="db")
    assert [one in Selection(roles=frozenset({"db"})) for one in (web, db)] == [False, True]
    assert db not in Selection(tags=frozenset({"x"}), roles=frozenset({"db"}))


# what the plan says of each task


def test_each_task_is_ok_or_changes_or_is_skipped() -> None:
    fake = FakeHost(settings={"ok": "new"})
    plan = plan_of(fake, task(Setting(key="ok")), task(CONFIG), task(OTHER, when=False))
    assert words(plan) == ["ok", "change", "skip"]
    assert names(plan) == ["config"]
    assert plan.keys() == ["config: value"]


def test_what_was_not_selected_is_not_mentioned() -> None:
    host = converge(FakeHost(), [task(CONFIG), task(OTHER, tags=["x"])], selected=lambda one: "x" in one.tags)
    host.survey()
    assert [verdict.task.name for verdict in host.plan().verdicts] == ["other"]


@pytest.mark.parametrize(("earlier", "word"), [("new", "change"), ("old", "unknown")])
def test_a_guarded_task_is_unknown_after_an_earlier_change(earlier: str, word: str) -> None:
    plan = plan_of(FakeHost(settings={"config": earlier}), task(CONFIG), task(Guarded(key="guard")))
    assert words(plan)[-1] == word
    assert names(plan)[-1] == "guard"


def test_a_guarded_task_that_is_as_wanted_is_ok_even_then() -> None:
    plan = plan_of(FakeHost(settings={"guard": "new"}), task(CONFIG), task(Guarded(key="guard")))
    assert words(plan) == ["change", "ok"]


def test_the_steps_of_a_no_log_task_are_secret() -> None:
    plan = plan_of(FakeHost(), task(Setting(key="password", steps=2), no_log=True), task(CONFIG))
    assert [[step.secret for step in item.steps] for item in plan.items] == [[True, True], [False]]
