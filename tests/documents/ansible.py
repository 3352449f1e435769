"""docs/ansible.md: what stands between `<!-- generated: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.documents.markdown import DOCS, code, table
from tests.documents.modules import OWN, canonical

from provision import filters, refusals, tasks, templating
from provision.inventory import connection
from provision.resources.base import Facts
from provision.resources.kinds import KINDS

_BLOCK = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def ansible_page() -> str:
    """The page with its blocks as they should be."""
    written = (DOCS / "ansible.md").read_text("utf-8")
    return _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n\n{found[3]}", written)


def _refusal(convert: Callable[[Any], Any]) -> str:
    try:
        convert("?")
    except ValueError as error:
        return str(error)
    raise AssertionError(f"{convert} takes anything")


def _refused(names: Mapping[str, str]) -> str:
    """A table of names by what to do instead."""
    by_hint: dict[str, list[str]] = {}
    for name, hint in names.items():
        by_hint.setdefault(hint, []).append(name)
    return table(("Refused", "Instead"), sorted([code(found), hint] for hint, found in by_hint.items()))


def _login() -> str:
    meaning = {
        "address": "name or address; by default the host's name in the inventory",
        "port": "by default ~/.ssh/config, else 22",
        "user": "by default ~/.ssh/config, else the local user",
        "key_files": "one file or a list; a relative path starts at the inventory's folder",
        "password": "for hosts without a key",
        "become_password": "sudo's, where it asks for one; see also `--ask-become-pass`",
        "common_args": f"`-J`, `-i`, `-l`, `-p`, `-t`, and `-o` with {code(_ssh_options())}",
        "extra_args": "the same",
        "timeout": "seconds to connect",
    }
    assert meaning.keys() == connection._ALIASES.keys()
    return table(("Variable", "Meaning"), ([code(connection._ALIASES[key]), text] for key, text in meaning.items()))


def _ssh_options() -> Sequence[str]:
    from provision.transport import ssh_settings

    return ssh_settings._OPTIONS


def _limited() -> str:
    rows = ([f"`{name}`", _refusal(convert)] for name, convert in connection._CONDITIONS.items())
    return table(("Variable", "What any other value is told"), rows)


def _modules() -> str:
    names = sorted(name for name in KINDS if name not in OWN)
    links = ", ".join(f"[{name}](modules.md#{canonical(KINDS[name], _names(KINDS[name]))})" for name in names)
    return textwrap.fill(f"{links}, and `meta: flush_handlers`.", 118, break_long_words=False, break_on_hyphens=False)


def _names(kind: type) -> list[str]:
    return [name for name, candidate in KINDS.items() if candidate is kind]


def _wrapped(words: Iterable[str]) -> str:
    return textwrap.fill(code(words) + ".", 118)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "login": _login,
    "limited": _limited,
    "ignored": lambda: table(("Ignored", "Because"), ([f"`{n}`", why] for n, why in connection._IGNORED.items())),
    "task-keywords": lambda: _wrapped(sorted(tasks._TASK_KEYWORDS)),
    "refused-keywords": lambda: _refused({**refusals.TASK_KEYWORDS, "with_items": refusals.LOOPS_HINT}),
    "modules": _modules,
    "refused-modules": lambda: _refused(refusals.MODULES),
    "refused-folders": lambda: _refused({f"{name}/": hint for name, hint in refusals.ROLE_FOLDERS.items()}),
    "filters": lambda: _wrapped(sorted(filters.filters())),
    "tests": lambda: _wrapped(sorted(filters.tests())),
    "refused-names": lambda: _refused(templating._REFUSED_NAMES),
    "facts": lambda: _wrapped(Facts().variables()),
}
"""What stands between the marks of docs/ansible.md, by name."""
