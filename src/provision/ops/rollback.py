"""An earlier deployment serves again, by the engine that deploys: surveyed, applied in turn, proved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from provision.batches import Batches
from provision.environment import confidential_values
from provision.resources.base import Diff, Facts, Read, State, Step
from provision.resources.deployment import DEPLOYED, deployed_read, rollback
from provision.resources.task import Playbook, Task

ROLE = "app"


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """A deployment on record serves; ``digest`` is what tells it from others."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    number: int
    digest: str
    env: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """``app_env`` as it is now: what the old release says of its own may show a secret that it has still."""

    def confidential(self) -> list[str]:
        """What of the environment must not be shown."""
        return confidential_values({}, self.env)

    def reads(self) -> Iterable[Read]:
        """What serves."""
        return [deployed_read(self.name)]

    def desired(self, facts: Facts) -> State:
        """That deployment, and nothing else of the app."""
        read = deployed_read(self.name)
        return {read[key]: value for key, value in {"digest": self.digest, **DEPLOYED}.items()}

    def change(self, diff: Diff) -> list[Step]:
        """The way of a deployment, with what is on record in place of a new release."""
        return [rollback(self.name, self.number)]


class RollbackPlay:
    """The one task of a host that goes back."""

    rolling = frozenset({ROLE})
    batches = Batches()

    def __init__(self, resource: Rollback) -> None:
        self._resource = resource

    def reads(self) -> set[Read]:
        """What serves."""
        return set(self._resource.reads())

    def resolve(self, facts: Facts) -> Playbook:
        """The task."""
        name = f"Roll back to deployment {self._resource.number}"
        return Playbook((Task(ROLE, name, "rollback", self._resource),), (), self.rolling)
