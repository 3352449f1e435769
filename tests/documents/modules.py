"""docs/modules.md: the fields of every module."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Sequence

from tests.documents.markdown import code, prose, table, written

from provision import tasks
from provision.resources.kinds import KINDS
from provision.schema import Option, fields_of

OWN = (
    *("systemd_unit", "uv", "uv_python", "release", "build", "deployment", "removal"),
    *("site", "site_options", "caddy_account", "certificate", "firewall", "sshd"),
)
"""The modules that Ansible has not, in the order in which a reader meets them."""


def modules_page() -> str:
    """The fields of every module."""
    by_kind: dict[type, list[str]] = {}
    for name, kind in KINDS.items():
        by_kind.setdefault(kind, []).append(name)
    named = {canonical(kind, names): (kind, names) for kind, names in by_kind.items()}
    ansible = sorted(name for name in named if name not in OWN)
    about = (
        "What a task of a role may use. Names, fields and values are Ansible's, but for the fields `unless`, "
        "`environment` and `validate_tree`, and `checksum` of unarchive. `ansible.builtin.` before a name is allowed, "
        f"and so are {code(tasks._ELSEWHERE)}. A field that is not listed is refused, with the nearest name.\n\n"
        "Types: `path` is a file of the role or beside the inventory, `mode` four octal digits such as `0644`."
    )
    parts = [
        "# Modules",
        "<!-- Written by `make docs` from src/provision/resources; do not edit. -->",
        prose(about),
        *(_module(name, *named[name]) for name in ansible),
        "# Modules that Ansible has not\n\nAll but the first are for the shipped roles.",
        *(_module(name, *named[name]) for name in OWN),
    ]
    return "\n\n".join(parts) + "\n"


def canonical(kind: type, names: Sequence[str]) -> str:
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    return snake if snake in names else names[0]


def _module(name: str, kind: type, names: Sequence[str]) -> str:
    others = [other for other in names if other != name]
    also = f"Also called {code(others)}.\n\n" if others else ""
    classes = [cls for cls in kind.__mro__ if cls.__module__.startswith("provision.resources")]
    about = "\n\n".join(prose(cls.__doc__) for cls in classes)
    meanings = {key: text for cls in reversed(classes) for key, text in _field_docs(cls).items()}
    rows = [_field(option, meanings.get(option.name, "")) for option in fields_of(kind)]
    return f"## {name}\n\n{also}{about}\n\n" + table(("Field", "Type", "Default", "Meaning"), rows)


def _field(option: Option, meaning: str) -> list[str]:
    kind = " or ".join(f"`{choice}`" for choice in option.choices) if option.choices else option.type
    names = code([option.name, *option.aliases])
    default = "required" if option.required else written(option.default)
    return [names, kind, default, " ".join(meaning.split())]


def _field_docs(cls: type) -> dict[str, str]:
    """The docstrings that stand below the fields of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            found[field.target.id] = prose(ast.literal_eval(below.value))
    return found
