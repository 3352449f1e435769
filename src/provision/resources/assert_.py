"""``assert``: what must hold for a host before anything is changed on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from provision.errors import Refused
from provision.resources.base import Diff, Facts, Read, State, Step
from provision.resources.fields import Expression, option


@dataclass(frozen=True, kw_only=True)
class Assert:
    """Expressions over variables and facts, as in ``when``; if one is false, nothing at all is changed on the host.

    They are judged on the controller before the first change, wherever the task stands and whatever ``--tags`` say.
    What the host must have beyond its facts is for uri and wait_for.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ()

    that: tuple[Expression, ...]
    fail_msg: str = field(default="", metadata=option(aliases=("msg",)))

    def __post_init__(self) -> None:
        if not self.that:
            raise ValueError("that holds no expression")
        for expression in self.that:
            if not isinstance(expression.value, bool):
                raise ValueError(
                    f"that: {expression.text} gives {expression.value!r}, not true or false: "
                    "write a comparison, `x is defined` or `x | bool`"
                )

    def reads(self) -> Iterable[Read]:
        """Nothing."""
        return ()

    def desired(self, facts: Facts) -> State:
        """Nothing. Raises Refused where an expression is false."""
        for expression in self.that:
            if not expression.value:
                said = f"{expression.text}, asserted in {expression.place}, is false"
                raise Refused(self.fail_msg or said, hint=said if self.fail_msg else "nothing was changed on this host")
        return {}

    def change(self, diff: Diff) -> list[Step]:
        """Never called: there is nothing to differ."""
        return []
