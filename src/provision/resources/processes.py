"""The processes an app has beside the one that answers, such as workers of a queue: a unit of the slot for each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,18}[a-z0-9])?")
_TAKEN = frozenset({"migrate", "preflight", "run"})
"""Units of that name are ours already."""


def process_units(template: str, processes: Mapping[str, str]) -> dict[str, str]:
    """``process-NAME`` -> the unit of each, from a text with ``@process@`` and ``@command@``. Raises ValueError."""
    return {f"process-{name}": _unit(template, name, command) for name, command in sorted(processes.items())}


def _unit(template: str, name: str, command: str) -> str:
    if not _NAME.fullmatch(name) or name in _TAKEN or name.startswith("run-"):
        wanted = f"1 to 20 of a-z, 0-9 and -, a letter first, and none of {', '.join(sorted(_TAKEN))}"
        raise ValueError(f"processes: a name is {wanted}, not {name!r}")
    return template.replace("@process@", name).replace("@command@", exec_words(name, command))


def exec_words(name: str, command: str) -> str:
    r"""The words of a command line as systemd's ExecStart= takes them: no shell, nothing replaced.

    Raises ValueError for a line without words, or with a quote that is not closed.

    >>> exec_words("beat", "celery -A app beat --schedule '50% of $x'")
    '"celery" "-A" "app" "beat" "--schedule" "50%% of $$x"'
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"processes: the command of {name}: {error}") from error
    if not words:
        raise ValueError(f"processes: {name} has no command")
    return " ".join(f'"{_escaped(word)}"' for word in words)


def _escaped(word: str) -> str:
    for special, escaped in {"\\": "\\\\", '"': '\\"', "\n": "\\n", "%": "%%", "$": "$$"}.items():
        word = word.replace(special, escaped)
    return word
