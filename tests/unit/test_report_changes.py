"""The list of changes that a live view leaves behind."""

from __future__ import annotations

from provision.report.changes import Changed, changes
from provision.report.lines import text_of


def listed(changed: Changed, hosts: list[str], width: int = 60) -> list[str]:
    """The lines of the list."""
    return [text_of(line) for line in changes(changed, hosts, width=width)]


def test_a_paragraph_per_role() -> None:
    """Wrapped to the screen; a task's name may hold commas."""
    tasks = {"Install Caddy": ["a"], "Keep it running, come what may": ["a"], "Configure it": ["a"]}
    assert listed({"caddy": tasks, "app": {"Build": ["a"]}}, ["a"]) == [
        "changed: caddy  Install Caddy; Keep it running, come what",
        "                may; Configure it",
        "         app    Build",
    ]


def test_hosts_are_named_where_they_differ() -> None:
    """Tasks that changed everywhere need no names; the others are told by their hosts, or how many these are."""
    tasks = {"One": ["a", "b"], "Two": ["b", "a", "b"], "Three": ["b"], "Four": ["b"]}
    assert listed({"app": tasks}, ["a", "b"]) == ["changed: app  One; Two", "              b: Three; Four"]
    assert listed({"app": {"One": list("abcd")}}, list("abcde")) == ["changed: app  4 hosts: One"]


def test_nothing_changed() -> None:
    """No list."""
    assert listed({}, ["a"]) == []
