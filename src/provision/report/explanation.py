"""Where a variable's value comes from, as lines."""

from __future__ import annotations

import os
from collections.abc import Iterator

from provision.errors import Position
from provision.explain import Definition, Explanation
from provision.report.lines import Line, line, prose, wrapped
from provision.report.role_pages import type_of


def explanation(found: Explanation, *, width: int | None) -> Iterator[Line]:
    """The value, its definitions with the strongest first, and what its role says of it."""
    head: Line = ((found.name, "bold"), (" on ", "dim"), (found.host, ""), (" = ", "dim"), (found.value, "bold"))
    yield from wrapped(head, width, 4)
    for number, definition in enumerate(found.definitions):
        yield line("")
        yield from _definition(definition, "in effect" if number == 0 else "overrides", width)
    if found.declared:
        role, argument = found.declared
        yield line("")
        said = f"{argument.description} ({type_of(argument)}; role {role})".lstrip()
        yield from prose(said, indent="", width=width)


def _definition(definition: Definition, label: str, width: int | None) -> Iterator[Line]:
    yield from wrapped(((f"  {label:<9}  ", "dim"), (definition.written, "")), width, 13)
    yield from wrapped(line(f"{'':<13}{place(definition.position)} ({definition.where})", "dim"), width, 13)


def explanation_fields(found: Explanation) -> dict[str, object]:
    """The same as JSON has it; values are text, as they are shown to readers."""
    role, argument = found.declared or ("", None)
    return {
        "host": found.host,
        "name": found.name,
        "value": found.value if found.definitions else None,
        "definitions": [_definition_fields(definition) for definition in found.definitions],
        "role": role or None,
        "type": type_of(argument) if argument else None,
        "description": argument.description if argument else None,
    }


def _definition_fields(definition: Definition) -> dict[str, object]:
    at = definition.position
    return {
        "value": definition.written,
        "where": definition.where,
        "file": str(at.file),
        "line": at.line,
        "column": at.column,
    }


def place(position: Position) -> str:
    """``file:line:column``, from the current folder where it lies below it; or the option of the command line."""
    if str(position.file).startswith("--set "):
        return str(position.file)
    path = os.path.relpath(position.file)
    shown = str(position.file) if path.startswith("..") else path
    return f"{shown}:{position.line}:{position.column}"
