"""A task and a handler as the engine sees them: a resource, and how the user named and wired it."""

from __future__ import annotations

from dataclasses import dataclass

from provision.resources.base import Resource


@dataclass(frozen=True)
class Task:
    """One task of one host, rendered. ``flush`` marks Ansible's ``meta: flush_handlers`` and has no resource."""

    role: str
    name: str
    kind: str
    """The module's name in YAML."""
    resource: Resource | None
    notify: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    when: bool = True
    """False = skipped on this host."""
    no_log: bool = False
    """Ansible's: the diff says only that it differs, and the output is not shown."""

    @property
    def flush(self) -> bool:
        """Is this ``meta: flush_handlers``?"""
        return self.resource is None


@dataclass(frozen=True)
class Handler:
    """What runs when a task that notifies it (by ``name`` or by one of ``listen``) has changed something."""

    role: str
    name: str
    unit: str
    """The systemd unit it acts on."""
    action: str
    """``restarted`` or ``reloaded``."""
    listen: tuple[str, ...] = ()

    def hears(self, notification: str) -> bool:
        """Does this handler answer to ``notification``?"""
        return notification == self.name or notification in self.listen


@dataclass(frozen=True)
class Playbook:
    """All tasks and handlers of one host, in the order they run."""

    tasks: tuple[Task, ...]
    handlers: tuple[Handler, ...]
    rolling: frozenset[str] = frozenset()
    """Names of the roles whose meta/main.yml says ``rolling: true``."""
