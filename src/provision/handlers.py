"""Handlers: what they are for, their stamps on the host, and which of them runs for which others. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from provision.resources.base import Property, Shell, State
from provision.resources.service import Action, Service
from provision.resources.task import Handler, Task
from provision.shell import Sh, lines, sh

STAMPS = "/var/lib/provision/handlers"
"""One file a handler, 0700: the digest its last run stood for."""

STAMP_READ = Shell(sh('cd {} && for stamp in *; do read -r digest <"$stamp" && echo "$stamp=$digest"; done', STAMPS))


def stamp_name(handler: Handler) -> str:
    """The file that holds a handler's stamp: readable, and unlike any other's."""
    readable = "".join(c if c.isascii() and c.isalnum() else "_" for c in f"{handler.role}_{handler.name}")
    return f"{readable}_{hashlib.sha256(f'{handler.role}/{handler.name}'.encode()).hexdigest()[:8]}"


def stamp_digest(handler: Handler, notifiers: Iterable[tuple[Task, State]]) -> str:
    """The digest of the desired state of all notifiers, whatever was selected for this run."""
    digest = hashlib.sha256(repr(handler).encode())
    for task, state in notifiers:
        wanted = sorted((_subject(prop), value) for prop, value in state.items())
        digest.update(repr((task.role, task.name, wanted)).encode())
    return digest.hexdigest()


def remember(handler: Handler, digest: str) -> Sh:
    """Write the stamp, durably and last."""
    path = f"{STAMPS}/{stamp_name(handler)}"
    return lines(
        sh("install -d -m 0700 /var/lib/provision {}", STAMPS),
        sh("printf '%s\\n' {} >{}", digest, path + ".new"),
        sh("sync -f {} && mv -T -- {} {}", path + ".new", path + ".new", path),
    )


def forget(handler: Handler) -> Sh:
    """Delete the stamp, before a notifier changes anything."""
    return sh("rm -f -- {}", f"{STAMPS}/{stamp_name(handler)}")


def notifies(task: Task, handler: Handler) -> bool:
    """Does a change of the task make the handler due?"""
    return any(handler.hears(notification) for notification in task.notify)


def unit_of(handler: Handler) -> str:
    """The full name of the handler's unit."""
    return Service(name=handler.unit, state="started").unit


def action_of(handler: Handler) -> Action:
    """What it does to its unit."""
    return "reloaded" if handler.action == "reloaded" else "restarted"


def answering(due: Sequence[Handler]) -> list[tuple[Handler, list[Handler]]]:
    """Those of ``due`` to run, each with those it runs for: a unit that is restarted is not reloaded besides."""
    restarts = {unit_of(handler): handler for handler in due if action_of(handler) == "restarted"}
    reloads = [handler for handler in due if action_of(handler) == "reloaded" and unit_of(handler) in restarts]
    found: dict[Handler, list[Handler]] = {handler: [] for handler in due if handler not in reloads}
    for handler in reloads:
        found[restarts[unit_of(handler)]].append(handler)
    return list(found.items())


def _subject(prop: Property) -> str:
    """What a property is of, without the text of the program that reads it: another version has another one."""
    return prop.name if isinstance(prop.read, Shell) else repr(prop)
