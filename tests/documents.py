"""Writes the generated parts of docs/: `make docs`. With --check it only says which are stale, and ends with 1.

A whole page, or in docs/ansible.md what stands between `<!-- generated: NAME -->` and `<!-- end -->`. All of it comes
from what the program itself goes by, so a page cannot promise what is not there.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provision import argument_specs, filters, refusals, role, tasks, templating
from provision.argument_specs import Argument
from provision.fleet import DEFAULT_ROLES
from provision.inventory import connection
from provision.resources.base import Facts
from provision.resources.kinds import KINDS
from provision.schema import Option, fields_of
from provision.yamlfile import load

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
OWN = ("systemd_unit", "release", "build", "deployment", "certificate")
"""The modules that Ansible has not, in the order in which a reader meets them."""

_BLOCK = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> dict[Path, str]:
    """Every page with a generated part, as it should be."""
    written = (DOCS / "ansible.md").read_text("utf-8")
    return {
        DOCS / "ansible.md": _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n\n{found[3]}", written),
        DOCS / "roles.md": roles_page(),
        DOCS / "modules.md": modules_page(),
    }


def stale() -> list[Path]:
    """The pages that are not what they should be."""
    return [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; a column without any text is left out."""
    rows = list(rows)
    kept = [number for number, _ in enumerate(head) if any(row[number] for row in rows)]
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row[number].replace('|', chr(92) + '|') for number in kept)} |" for row in cells)


def prose(text: str | None) -> str:
    """A docstring as Markdown: its paragraphs, with single backticks."""
    paragraphs = inspect.cleandoc(text or "").replace("``", "`").split("\n\n")
    kept = [" ".join(paragraph.split()) for paragraph in paragraphs if not paragraph.startswith(">>>")]
    return "\n\n".join(textwrap.fill(paragraph, 118, break_long_words=False) for paragraph in kept)


def code(words: Iterable[object]) -> str:
    """Words as code, with commas between."""
    return ", ".join(f"`{word}`" for word in words)


def written(value: Any) -> str:
    """A default as YAML has it; nothing for a value that stands for "not given"."""
    if value is None or value == "":
        return ""
    if isinstance(value, Mapping):
        return code([json.dumps(dict(value))])
    if isinstance(value, list | tuple):
        return code([f"[{', '.join(map(str, value))}]"])
    return code([json.dumps(value) if isinstance(value, bool) else value])


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


def modules_page() -> str:
    """The fields of every module."""
    by_kind: dict[type, list[str]] = {}
    for name, kind in KINDS.items():
        by_kind.setdefault(kind, []).append(name)
    named = {_canonical(kind, names): (kind, names) for kind, names in by_kind.items()}
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
        "# Modules that Ansible has not\n\nAll but the first are for the roles `app` and `caddy`.",
        *(_module(name, *named[name]) for name in OWN),
    ]
    return "\n\n".join(parts) + "\n"


def _canonical(kind: type, names: Sequence[str]) -> str:
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
        "common_args": f"`-J`, `-i`, `-l`, `-p`, and `-o` with {code(_ssh_options())}",
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
    links = ", ".join(f"[{name}](modules.md#{_canonical(KINDS[name], _names(KINDS[name]))})" for name in names)
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


def main(arguments: Sequence[str]) -> int:
    """Write what is stale, or with --check name it."""
    found = stale()
    for path in found:
        name = path.relative_to(ROOT)
        if "--check" in arguments:
            print(f"{name} is stale: make docs", file=sys.stderr)
        else:
            path.write_text(pages()[path], "utf-8")
            print(f"wrote {name}")
    return 1 if found and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
