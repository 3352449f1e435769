"""Which packages of later tasks come in the first one's transaction, and which wait for their turn."""

from __future__ import annotations

import pytest

from provision.plan import build
from provision.resources.base import Facts
from provision.resources.debug import Debug
from provision.resources.file import File
from provision.resources.package import Package
from provision.resources.task import Handler, Playbook, Task
from provision.resources.uv import Uv
from provision.together import install_with

from .fake_host import task

FIRST = Package(name=("python3",))
CADDY = task(Package(name=("caddy", "python3", "curl")))
UV = task(Uv(path="/opt/uv", version="1.0", hashes=("sha256:" + "0" * 64,)))
HANDLER = Handler("web", "restart caddy", "caddy", "restarted")

CASES: dict[str, tuple[list[Task], tuple[str, ...]]] = {
    "nothing follows": ([], ()),
    "another package task": ([CADDY], ("caddy", "curl")),
    "two of them": ([CADDY, task(Package(name=("git", "curl")))], ("caddy", "curl", "git")),
    "uv between, which apt does not mind": ([UV, CADDY], ("caddy", "curl")),
    "a file between, which the package would find": ([task(File(path="/etc/caddy", state="directory")), CADDY], ()),
    "a task of an unknown effect": ([UV, task(None), CADDY], ()),
    "a message, which nobody has thought about": ([task(Debug(msg="so far")), CADDY], ()),
    "one that is to be removed": ([task(Package(name=("apache2",), state="absent")), CADDY], ()),
    "a version of its own": ([task(Package(name=("caddy=2.6.2-5",)))], ()),
    "without what it recommends": ([task(Package(name=("caddy",), install_recommends=False))], ()),
    "one that notifies a handler": ([task(Package(name=("caddy",)), "restart caddy")], ()),
}


@pytest.mark.parametrize("following", CASES)
def test_what_is_installed_too(following: str) -> None:
    tasks, expected = CASES[following]
    assert install_with(FIRST, tasks) == expected


@pytest.mark.parametrize("first", [Package(name=("python3=3.11.2",)), Package(name=("apache2",), state="absent")])
def test_a_version_and_a_removal_stay_alone(first: Package) -> None:
    assert install_with(first, [CADDY]) == ()


def _scripts(*tasks: Task) -> list[str]:
    planned = build(Playbook(tasks, (HANDLER,)), {}, Facts(), lambda task: task.role == "web")
    return [step.script for item in planned.items for step in item.steps]


def test_each_task_still_looks_for_its_own_packages() -> None:
    first, uv, caddy = _scripts(task(FIRST), UV, CADDY)
    assert "also='caddy curl'" in first
    assert "set -- caddy python3 curl" in caddy
    assert "also=" not in uv + caddy


def test_what_is_not_to_change_in_this_run_is_not_installed_with_the_rest() -> None:
    flush, skipped = task(None), task(Package(name=("apache2",)), when=False)
    other_role = task(Package(name=("nginx",)), role="other")
    assert not any("also=" in script for script in _scripts(task(FIRST), skipped, other_role, flush, CADDY))
