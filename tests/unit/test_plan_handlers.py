"""Restarts are state: due until they have happened, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from provision.handlers import STAMP_READ, stamp_digest, stamp_name
from provision.plan import Plan
from provision.resources.base import Facts, Shell, State
from provision.resources.service import Service
from provision.resources.task import Handler, Task
from provision.shell import Sh

from .fake_host import FakeHost, Setting, converge, handler, task, up

CONFIG, OTHER = Setting(key="config"), Setting(key="other")
RESTART, RELOAD = handler(), handler("Reload", action="reloaded")
WEB = Service(name="web", state="started")


def plan_of(fake: FakeHost, tasks: Iterable[Task], handlers: Iterable[Handler] = (RESTART,)) -> Plan:
    host = converge(fake, tasks, handlers)
    host.survey()
    return host.plan()


def settled(*tasks: Task, handlers: Iterable[Handler] = (RESTART,)) -> FakeHost:
    """A host on which ``up`` has run, with nothing in its log."""
    fake = FakeHost()
    up(converge(fake, tasks, handlers))
    fake.log.clear()
    return fake


def words(plan: Plan) -> list[str]:
    return [verdict.word for verdict in plan.verdicts]


def names(plan: Plan) -> list[str]:
    return [item.name for item in plan.items]


def test_a_first_run_restarts_once() -> None:
    fake = FakeHost()
    up(converge(fake, [task(CONFIG, "Restart"), task(OTHER, "Restart")], [RESTART]))
    forget, keep = f"forget {stamp_name(RESTART)}", f"keep {stamp_name(RESTART)}"
    assert fake.log == [forget, "set config", "set other", "fresh web.service", keep]


def test_the_stamp_goes_before_the_change_and_comes_after_the_handler() -> None:
    """In the first step of a change of several, so that no kill can fall between."""
    several = task(Setting(key="config", steps=3), "Restart")
    fake = settled(several)
    fake.settings["config"] = "by hand"
    plan = plan_of(fake, [several])
    assert ["rm -f" in step.script for step in plan.items[0].steps] == [True, False, False]
    assert [item.is_handler for item in plan.items] == [False, True]
    assert plan.items[1].steps[0].script.splitlines()[-1].startswith("sync -f")


def test_nothing_to_do_plans_nothing() -> None:
    tasks = [task(CONFIG, "Restart"), task(None)]
    plan = plan_of(settled(*tasks), tasks)
    assert (plan.items, plan.due, plan.stamps, words(plan)) == ([], [], {}, ["ok"])


def test_a_missing_stamp_alone_is_a_restart() -> None:
    """As after a run that was killed between a change and its handler."""
    tasks = [task(CONFIG, "Restart")]
    plan = plan_of(FakeHost(settings={"config": "new"}), tasks)
    assert words(plan) == ["ok"]
    assert [(due.handler, due.reason) for due in plan.due] == [(RESTART, "its last run is not on record")]
    assert plan.keys() == ["handler Restart"]


def test_a_repaired_hand_edit_restarts() -> None:
    tasks = [task(CONFIG, "Restart")]
    fake = settled(*tasks)
    fake.settings["config"] = "by hand"
    plan = plan_of(fake, tasks)
    assert names(plan) == ["config", "Restart"]
    assert plan.due[0].reason == "notified by config"


def test_a_state_that_somebody_else_brought_about_still_restarts() -> None:
    fake = settled(task(CONFIG, "Restart"))
    fake.settings["config"] = "newer"
    assert names(plan_of(fake, [task(Setting(key="config", value="newer"), "Restart")])) == ["Restart"]


def test_flush_handlers_runs_them_in_the_middle() -> None:
    plan = plan_of(FakeHost(), [task(CONFIG, "Restart"), task(None), task(OTHER)])
    assert names(plan) == ["config", "Restart", "other"]


def test_a_stale_handler_waits_for_its_last_notifier() -> None:
    """The flush between two notifiers that are as wanted would be too early for the second."""
    fake = FakeHost(settings={"config": "new", "other": "new"})
    plan = plan_of(fake, [task(CONFIG, "Restart"), task(None), task(OTHER, "Restart"), task(Setting(key="last"))])
    assert names(plan) == ["last", "Restart"]


def test_handlers_run_in_their_own_order_by_name_and_topic() -> None:
    reload_, other = handler("Reload", "proxy", "reloaded", listen=("config",)), handler("Unheard", "x")
    plan = plan_of(FakeHost(), [task(CONFIG, "config", "Restart")], [reload_, other, RESTART])
    assert names(plan) == ["config", "Reload", "Restart"]
    assert "verb=reload-or-restart" in plan.items[1].steps[0].script
    assert "unit=web.service verb=restart" in plan.items[2].steps[0].script


def test_a_handler_that_only_skipped_tasks_notify_is_never_due() -> None:
    assert plan_of(FakeHost(), [task(CONFIG, "Restart", when=False)]).due == []


def test_tags_that_leave_out_every_notifier_leave_the_handler() -> None:
    host = converge(FakeHost(), [task(CONFIG, "Restart"), task(OTHER)], [RESTART], selected=lambda t: t.name == "other")
    host.survey()
    assert names(host.plan()) == ["other"]


def test_tags_that_keep_one_notifier_keep_the_handler() -> None:
    """Its other notifier may be what was changed when an earlier run was killed."""
    fake, tasks = (
        FakeHost(settings={"config": "new", "other": "new"}),
        [task(CONFIG, "Restart"), task(OTHER, "Restart")],
    )
    host = converge(fake, tasks, [RESTART], selected=lambda one: one.name == "config")
    host.survey()
    assert names(host.plan()) == ["Restart"]


def test_tags_that_leave_out_a_notifier_keep_its_state_in_the_digest() -> None:
    tasks = [task(CONFIG, "Restart", tags=["config"]), task(OTHER, "Restart")]
    fake = FakeHost()
    up(converge(fake, tasks, [RESTART], selected=lambda one: "config" in one.tags))
    assert fake.settings == {"config": "new"}
    assert fake.log[-1] == f"keep {stamp_name(RESTART)}"
    fake.log.clear()
    up(converge(fake, tasks, [RESTART]))
    assert [entry for entry in fake.log if not entry.startswith(("forget", "keep"))] == [
        "set other",
        "fresh web.service",
    ]
    assert plan_of(fake, tasks).items == []


# starts that are restarts


def absorbed(plan: Plan) -> bool:
    return "systemctl stop -- web.service" in plan.items[-1].steps[0].script


def test_a_planned_start_absorbs_the_handlers_of_its_unit() -> None:
    """A package may have started the unit meanwhile; the start must not find it running with the old configuration."""
    tasks = [task(CONFIG, "Restart"), task(WEB)]
    plan = plan_of(FakeHost(), tasks)
    assert names(plan) == ["config", "Service"]
    assert [due.reason for due in plan.due] == ["its unit starts anew"]
    assert absorbed(plan)

    fake = FakeHost(follows={"config": lambda host: host.units.update({"web.service": "active"})})
    up(converge(fake, tasks, [RESTART]))
    assert fake.log[1:] == ["set config", "fresh web.service", f"keep {stamp_name(RESTART)}"]


def test_a_start_absorbs_a_stale_handler_too() -> None:
    plan = plan_of(FakeHost(settings={"config": "new"}), [task(CONFIG, "Restart"), task(WEB)])
    assert (names(plan), absorbed(plan)) == (["Service"], True)


def test_a_start_answers_its_own_notification_too() -> None:
    """Else a later notifier would take the handler for notified, and leave the stamp that the start has written."""
    start = task(WEB, "Restart")
    fake = FakeHost()
    up(converge(fake, [task(CONFIG, "Restart"), start, task(OTHER, "Restart")], [RESTART]))
    forget, keep = f"forget {stamp_name(RESTART)}", f"keep {stamp_name(RESTART)}"
    first = [forget, "set config", "fresh web.service", keep]
    assert fake.log == [*first, forget, "set other", "fresh web.service", keep]


def test_a_start_of_another_unit_absorbs_nothing() -> None:
    plan = plan_of(FakeHost(), [task(CONFIG, "Restart"), task(Service(name="other", state="started"))])
    assert names(plan) == ["config", "Service", "Restart"]
    assert not plan.items[1].steps[0].script.startswith("systemctl stop")


def test_a_start_without_a_due_handler_is_a_start() -> None:
    plan = plan_of(FakeHost(), [task(WEB)])
    assert (names(plan), absorbed(plan)) == (["Service"], False)


def test_a_notifier_after_the_start_restarts_again() -> None:
    fake = FakeHost()
    up(converge(fake, [task(CONFIG, "Restart"), task(WEB), task(OTHER, "Restart")], [RESTART]))
    happened = [entry for entry in fake.log if entry.startswith(("set", "fresh"))]
    assert happened == ["set config", "fresh web.service", "set other", "fresh web.service"]


@pytest.mark.parametrize("handlers", [(RESTART, RELOAD), (RELOAD, RESTART)], ids=["restart first", "reload first"])
def test_a_restart_is_a_reload_as_well(handlers: tuple[Handler, Handler]) -> None:
    tasks = [task(CONFIG, "Restart"), task(OTHER, "Reload")]
    fake = FakeHost(units={"web.service": "active"})
    plan = plan_of(fake, tasks, handlers)
    assert (names(plan), [due.handler for due in plan.due]) == (["config", "other", "Restart"], [RESTART])
    assert set(plan.stamps) == {stamp_name(RESTART), stamp_name(RELOAD)}

    up(converge(fake, tasks, handlers))
    assert [entry for entry in fake.log if entry.endswith("web.service")] == ["fresh web.service"]
    assert plan_of(fake, tasks, handlers).items == []


def test_a_restart_keeps_its_place() -> None:
    backend = handler("Backend", "backend")
    tasks = [task(CONFIG, "Restart", "Reload"), task(OTHER, "Backend")]
    assert names(plan_of(FakeHost(), tasks, [RELOAD, backend, RESTART]))[2:] == ["Backend", "Restart"]


def test_a_reload_of_another_unit_is_one_of_its_own() -> None:
    other = handler("Reload", "other", "reloaded")
    plan = plan_of(FakeHost(), [task(CONFIG, "Restart"), task(OTHER, "Reload")], [RESTART, other])
    assert names(plan) == ["config", "other", "Restart", "Reload"]


def test_a_start_is_said_to_answer_the_restart_alone() -> None:
    tasks = [task(CONFIG, "Restart"), task(OTHER, "Reload"), task(WEB)]
    plan = plan_of(FakeHost(), tasks, [RESTART, RELOAD])
    assert (names(plan), absorbed(plan)) == (["config", "other", "Service"], True)
    assert [due.handler for due in plan.due] == [RESTART]
    assert set(plan.stamps) == {stamp_name(RESTART), stamp_name(RELOAD)}


def test_a_stop_absorbs_nothing() -> None:
    fake = FakeHost(units={"web.service": "active"})
    plan = plan_of(fake, [task(CONFIG, "Restart"), task(Service(name="web", state="stopped"))])
    assert names(plan) == ["config", "Service", "Restart"]


# stages of a roll


def test_handlers_of_stage_one_are_not_due_in_stage_two() -> None:
    fake = FakeHost(settings={"both": "new"})
    tasks = [task(CONFIG, "Restart"), task(Setting(key="both"), "Restart", role="app"), task(OTHER, role="app")]
    host = converge(fake, tasks, [RESTART])
    host.survey()
    first = host.plan(lambda one: one.role != "app")
    assert names(first) == ["config", "Restart"]
    assert first.stamps == {stamp_name(RESTART): stamp_digest(RESTART, states(tasks[:2]))}
    host.apply(first)
    assert names(host.plan(lambda one: one.role == "app")) == ["other"]


def test_a_handler_that_only_stage_two_notifies_waits_for_it() -> None:
    host = converge(FakeHost(), [task(OTHER), task(CONFIG, "Restart", role="app")], [RESTART])
    host.survey()
    assert names(host.plan(lambda one: one.role != "app")) == ["other"]
    assert names(host.plan(lambda one: one.role == "app")) == ["config", "Restart"]


def test_a_stale_handler_of_both_stages_runs_once_and_in_the_last() -> None:
    """Else every host would do it at once, before its turn, and once more in it."""
    fake = FakeHost(settings={"config": "new"})
    host = converge(fake, [task(CONFIG, "Restart"), task(OTHER, "Restart", role="app")], [RESTART])
    host.survey()
    assert names(host.plan(lambda one: one.role != "app")) == []
    assert names(host.plan(lambda one: one.role == "app")) == ["other", "Restart"]


# stamps


def states(tasks: Iterable[Task]) -> list[tuple[Task, State]]:
    return [(one, one.resource.desired(Facts())) for one in tasks if one.resource is not None]


@pytest.mark.parametrize(
    ("tasks", "changed"),
    [
        ([task(Setting(key="config", value="newer"), "Restart")], True),
        ([task(CONFIG, "Restart"), task(OTHER, "Restart")], True),
        ([task(CONFIG, "Restart"), task(OTHER)], False),
        ([task(CONFIG, "Restart", tags=["x"])], False),
    ],
)
def test_the_digest_is_of_what_the_notifiers_want(tasks: list[Task], changed: bool) -> None:
    fake = settled(task(CONFIG, "Restart"))
    fake.settings = {"config": "newer" if tasks[0].resource != CONFIG else "new", "other": "new"}
    assert bool(plan_of(fake, tasks).due) is changed


def test_a_digest_does_not_depend_on_how_a_host_is_read() -> None:
    """Another version of provision reads by other programs, and nothing has to be restarted for that."""
    one, other = ([(task(CONFIG), {Shell(Sh(text))["value"]: "new"})] for text in ("get config", "get  config"))
    assert stamp_digest(RESTART, one) == stamp_digest(RESTART, other)


def test_a_changed_handler_runs_again() -> None:
    fake = settled(task(CONFIG, "Restart"))
    assert names(plan_of(fake, [task(CONFIG, "Restart")], [handler(unit="web2")])) == ["Restart"]


def test_stamp_names_are_files_and_never_the_same() -> None:
    odd = [handler("Restart"), handler("Re/start"), handler("Re start"), handler("Neu starten: über"), handler("")]
    found = [stamp_name(one) for one in odd]
    assert len(set(found)) == len(odd)
    assert all(name.isascii() and name.replace("_", "a").isalnum() for name in found)
    assert (
        len({stamp_name(Handler("a_b", "c", "u", "restarted")), stamp_name(Handler("a", "b_c", "u", "restarted"))}) == 2
    )


def test_stamps_are_read_by_every_survey() -> None:
    fake = settled(task(CONFIG, "Restart"))
    host = converge(fake, [], [])
    host.survey()
    assert set(host.observed.readings[STAMP_READ]) == {stamp_name(RESTART), "rc"}
