"""One apt transaction for what several tasks install: each of its own costs a host a second and more. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from provision.resources.package import Package
from provision.resources.task import Task


def install_with(package: Package, following: Iterable[Task]) -> tuple[str, ...]:
    """What the ``following`` tasks, all of which will change something, install too and may as well install now.

    Nothing is taken from behind a task that could bear on it: a repository, a user, a file that a package would find.
    Only kinds that say ``BESIDE_APT`` are passed over. The task that asks for a package stays, and looks for itself.
    """
    names: list[str] = []
    for task in following:
        resource = task.resource
        # A handler is told by its task, in the step that changes something: a cut between the two would lose it.
        if isinstance(resource, Package) and package.goes_with(resource) and not task.notify:
            names += [name for name in resource.name if name not in (*package.name, *names)]
        elif not getattr(resource, "BESIDE_APT", False):
            break
    return tuple(names)
