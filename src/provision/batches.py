"""In what portions a rolling role comes to its hosts. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Batches:
    """The size of a roll's batches, and how many hosts may fail before it stops."""

    serial: str = "100%"
    """Hosts at a time after the first: a number, or a percentage of all; Ansible's ``serial``."""
    max_fail: int = 0
    """A roll in which more hosts than this have failed stops. The first host's failure always stops it."""

    def __post_init__(self) -> None:
        percent = self.serial.removesuffix("%")
        if not re.fullmatch("[1-9][0-9]{0,5}", percent) or (self.serial != percent and int(percent) > 100):
            raise ValueError(f"serial is a number of hosts or a percentage such as 25%, not {self.serial!r}")
        if self.max_fail < 0:
            raise ValueError(f"max_fail is a number of hosts, not {self.max_fail}")

    def of(self, hosts: Sequence[T]) -> list[Sequence[T]]:
        """The first host alone, as a canary, then the others. A percentage is rounded down, to one at least.

        >>> Batches("50%").of("abcde")
        ['a', 'bc', 'de']
        """
        number = int(self.serial.removesuffix("%"))
        size = max(1, len(hosts) * number // 100) if self.serial.endswith("%") else number
        rest = hosts[1:]
        return [hosts[:1], *(rest[start : start + size] for start in range(0, len(rest), size))]
