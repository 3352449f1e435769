"""Which host does the work that several have in common: one migrates the database of a whole fleet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from provision.errors import ConfigError
from provision.playbook import HostPlay
from provision.resources.base import Facts, Shared
from provision.sayings import shared_work

Plays = Iterable[tuple[str, HostPlay]]


class Performers:
    """Chooses them from all hosts of the inventory, whatever was selected for the run."""

    def __init__(self, plays: Callable[[], Plays]) -> None:
        """``plays`` are those of all hosts, in the inventory's order; asked for once, and only if it matters."""
        self._plays = plays
        self._lock = threading.Lock()
        self._members: Mapping[str, list[str]] | None = None

    def performer(self, shared: Shared, host: str) -> str:
        """The host that does the work which ``host`` shares with others. Raises ConfigError for a wrong choice."""
        members = self._sharing().get(shared.key, [host])
        if not shared.host:
            return members[0]
        if shared.host not in members:
            raise ConfigError(
                f"app_migrate_host: {shared.host} does not share the app and the database of {host}",
                hint=f"hosts that do: {', '.join(members)}",
            )
        return shared.host

    def _sharing(self) -> Mapping[str, list[str]]:
        """The hosts by the key of what they share."""
        with self._lock:
            if self._members is None:
                found: dict[str, list[str]] = {}
                for name, play in self._plays():
                    for shared in likely_shared(play):
                        if shared.key:
                            found.setdefault(shared.key, []).append(name)
                self._members = found
            return self._members


def likely_shared(play: HostPlay) -> list[Shared]:
    """The shared work of a host that has not been asked for its facts."""
    found = [shared_work(task, {}, Facts()) for task in play.likely().tasks]
    return [shared for shared in found if shared]
