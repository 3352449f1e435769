"""``debug``: a text or a value in the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from provision.resources.base import Diff, Facts, Read, Reading, State, Step
from provision.resources.fields import Expression


@dataclass(frozen=True, kw_only=True)
class Debug:
    """Says ``msg``, or what the expression ``var`` is on this host, after the run; never a change.

    A value that comes from a ``no_log`` variable is not shown.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ()

    msg: str | None = None
    var: Expression | None = None

    def __post_init__(self) -> None:
        if (self.msg is None) == (self.var is None):
            raise ValueError("takes one of msg (a text) and var (an expression)")

    def reads(self) -> Iterable[Read]:
        """Nothing."""
        return ()

    def desired(self, facts: Facts) -> State:
        """Nothing."""
        return {}

    def change(self, diff: Diff) -> list[Step]:
        """Never called: there is nothing to differ."""
        return []

    def notices(self, readings: Mapping[Read, Reading]) -> list[str]:
        """The text, or the value in JSON."""
        if self.var is None:
            return [self.msg or ""]
        value = self.var.value
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        return [f"{self.var.text}: {shown}"]
