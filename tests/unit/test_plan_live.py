"""Stamps of handlers, written and deleted by the steps of a plan and read by a survey, over a real shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.handlers import STAMP_READ, STAMPS, stamp_name
from provision.plan import Plan, build
from provision.resources.base import Facts, Reading
from provision.resources.task import Playbook
from provision.transport.frames import Frame

from .fake_host import Setting, handler, task
from .live_session import Machine, replaced

RESTART = handler()
TASKS = (task(Setting(key="config"), "Restart"),)


def planned(value: str, stamps: Reading) -> Plan:
    config = Setting(key="config")
    (read,) = config.reads()
    return build(Playbook(TASKS, (RESTART,)), {read: {"value": value}, STAMP_READ: stamps}, Facts(), lambda _: True)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_stamps_mean_to_a_shell_what_they_mean_to_the_plan(shell: str, tmp_path: Path) -> None:
    """Written by a handler, read by a survey, and gone before the change of a notifier."""
    machine = Machine(shell, tmp_path)
    home = str(tmp_path / "lib")
    instead = {"/var/lib/provision": home, "/var/log/provision": str(tmp_path / "log")}

    def stamps() -> Reading:
        return machine.observe([STAMP_READ], instead).readings[STAMP_READ]

    def remember(plan: Plan) -> None:
        # The last lines of a handler's step; those before are systemctl's.
        text = plan.items[-1].steps[0].script.split("\n")[-3:]
        frames: list[Frame] = []
        machine.trip({"main": replaced("\n".join([*text, 'printf "\\n@$nonce over\\n"']).encode(), instead)}, frames)

    assert stamps().keys() == {"rc"}
    plan = planned("new", stamps())
    assert [item.name for item in plan.items] == ["Restart"]
    remember(plan)
    assert {name: stamps()[name] for name in plan.stamps} == plan.stamps
    folders = (home, STAMPS.replace("/var/lib/provision", home))
    assert [f"{Path(folder).stat().st_mode:o}" for folder in folders] == ["40700", "40700"]
    assert planned("new", stamps()).items == []

    (forget, *_) = planned("by hand", stamps()).items[0].steps[0].script.split("\n")
    machine.trip({"main": replaced(f'{forget}\nprintf "\\n@$nonce over\\n"'.encode(), instead)}, [])
    assert stamp_name(RESTART) not in stamps()
    machine.close()
