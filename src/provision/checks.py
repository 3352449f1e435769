"""The result of looking at one thing of a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail", "skipped"]


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and where something is wrong what to do about it."""

    id: str
    status: Status
    found: str
    """A sentence, without a capital letter and a full stop."""
    advice: str = ""
    """What to do next; of a check that was skipped, where it is to come from."""
    subject: str = ""
    """The name, where a check is made for each name of a site."""

    @property
    def bad(self) -> bool:
        """Is something to be done?"""
        return self.status in ("warn", "fail")
