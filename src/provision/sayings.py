"""What a kind may tell beside its contract, where it has a method for it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, cast

from provision.resources.base import Facts, Read, Reading, Resource, Shared
from provision.resources.task import Task


def shared_work(task: Task, readings: Mapping[Read, Reading], facts: Facts) -> Shared | None:
    """What a task has to do on something that hosts have in common."""
    share: Callable[[Mapping[Read, Reading], Facts], Shared | None] | None = getattr(task.resource, "shared", None)
    return share(readings, facts) if share is not None and task.when else None


def say(resource: Resource, name: str, readings: Mapping[Read, Reading]) -> list[str]:
    """``notices`` or ``urls``, of kinds that only report."""
    speak: Callable[[Mapping[Read, Reading]], list[str]] | None = getattr(resource, name, None)
    return speak(readings) if speak is not None else []


def confidential(resource: Resource) -> list[str]:
    """The secrets among the fields of a resource: those declared ``no_log``, and those that its kind tells."""
    tell: Callable[[], Iterable[str]] | None = getattr(resource, "confidential", None)
    declared = [field.name for field in fields(cast(Any, resource)) if field.metadata.get("no_log")]
    values = [getattr(resource, name, None) for name in declared]
    return [str(value) for value in values if value] + list(tell() if tell is not None else ())
