"""docs/roles.md: the variables of the shipped roles."""

from __future__ import annotations

from typing import Any

from tests.documents.markdown import code, prose, table, written

from provision import argument_specs, role
from provision.argument_specs import Argument
from provision.fleet import DEFAULT_ROLES
from provision.yamlfile import load


def roles_page() -> str:
    """The variables of the shipped roles."""
    about = (
        "These come with provision; a role of the same name in `roles/` beside the inventory takes the place of one. A "
        f"host gets {code(DEFAULT_ROLES)} unless it has a list variable `roles`. All variables are optional: set them "
        "in the inventory, or for one run with `--set NAME=VALUE`. A variable that begins with a role's name and is "
        "none of its variables is refused, and so is a wrong type."
    )
    note = "<!-- Written by `make docs` from roles/*/meta/argument_specs.yml; do not edit. -->"
    names = [*DEFAULT_ROLES, *sorted(path.name for path in role.SHIPPED.iterdir() if path.name not in DEFAULT_ROLES)]
    return "\n\n".join(["# Roles", note, prose(about), *map(_role, names)]) + "\n"


def _role(name: str) -> str:
    folder = role.SHIPPED / name
    specs = load(folder / "meta" / "argument_specs.yml")
    main = specs.plain()["argument_specs"]["main"]
    defaults = load(folder / "defaults" / "main.yml").plain()
    rows = [
        [f"`{argument.name}`", _argument_type(argument), _default(defaults.get(argument.name)), argument.description]
        for argument in argument_specs.parse(specs).values()
    ]
    about = prose(main.get("description"))
    return f"## {name}\n\n{about}\nMore in [roles/{name}](../roles/{name}/README.md).\n\n" + table(
        ("Variable", "Type", "Default", "Meaning"), rows
    )


def _argument_type(argument: Argument) -> str:
    if argument.choices:
        return " or ".join(f"`{choice}`" for choice in argument.choices)
    if argument.type == "list":
        return f"list of {argument.elements}"
    return {"raw": "text or list"}.get(argument.type, argument.type)


def _default(value: Any) -> str:
    """Empty for one that is worked out: its description says how."""
    text = written(value)
    return "" if "{{" in text else text if len(text) < 80 else "see defaults/main.yml"
