"""Roles as pages for a terminal."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence

from provision.argument_specs import Argument
from provision.report.lines import Line, line, prose, wrapped
from provision.role_docs import RoleDocs
from provision.yamlfile import Node


def role_list(found: Sequence[tuple[str, RoleDocs | str]], *, width: int | None) -> Iterator[Line]:
    """One role a line with what it is for; text in place of the documentation says why there is none."""
    longest = max((len(name) for name, _ in found), default=0)
    for name, docs in found:
        head = f"{name:<{longest}}  "
        text = f"cannot be used: {docs}" if isinstance(docs, str) else docs.summary + _origin(docs)
        first, *rest = prose(text, indent=" " * len(head), width=width) or [line("")]
        yield ((head, "bold"), (first[0][0].strip(), "failed" if isinstance(docs, str) else ""))
        yield from rest


def role_page(docs: RoleDocs, *, width: int | None) -> Iterator[Line]:
    """What a role does, its variables, and its README."""
    name = docs.role.name
    origin = "comes with provision" if docs.shipped else str(docs.role.path)
    yield from wrapped(((name, "bold"), (f"  {origin}", "dim")), width, 2)
    for text in (docs.description or docs.summary, _readme_text(docs.readme)):
        if text:
            yield line("")
            yield from _paragraphs(text, width)
    arguments = dict(docs.role.arguments or {})
    undeclared = [Argument(key, "raw") for key in docs.role.defaults if key not in arguments]
    if arguments or undeclared:
        yield line("")
        yield line("Variables", "bold")
    for argument in [*arguments.values(), *undeclared]:
        yield line("")
        yield from _variable(argument, docs.role.defaults.get(argument.name), width)


def _origin(docs: RoleDocs) -> str:
    return "" if docs.shipped else f" ({_from_here(str(docs.role.path))})".removeprefix(" " * (not docs.summary))


def _variable(argument: Argument, default: Node | None, width: int | None) -> Iterator[Line]:
    head: Line = ((argument.name, "bold"), (f"  {type_of(argument)}{_default(argument, default)}", "dim"))
    yield from wrapped(head, width, 4)
    if argument.description:
        yield from prose(argument.description, indent="    ", width=width)
    for option in argument.options.values():
        yield from prose(f"{option.name} ({type_of(option)}): {option.description}", indent="      ", width=width)


def type_of(argument: Argument) -> str:
    """The type of a variable, for readers."""
    if argument.choices:
        return " or ".join(map(str, argument.choices))
    if argument.type == "list" and argument.elements != "raw":
        return f"list of {argument.elements}"
    return "any type" if argument.type == "raw" else argument.type


def _default(argument: Argument, default: Node | None) -> str:
    if argument.required:
        return ", required"
    if default is None or default.value is None or "{{" in str(default.plain()):
        return ""
    nested = isinstance(default.value, dict | list)
    shown = json.dumps(default.plain(), ensure_ascii=False) if nested else default.text or '""'
    return f", default {shown}"


def _readme_text(readme: str) -> str:
    """Markdown without its title, which says what the head of the page says."""
    return re.sub(r"\A#[^\n]*\n+", "", readme).strip()


def _paragraphs(text: str, width: int | None) -> Iterator[Line]:
    """Paragraphs and lists of Markdown, wrapped anew."""
    for number, paragraph in enumerate(re.split(r"\n{2,}", text)):
        if number:
            yield line("")
        for item in re.split(r"\n(?=[-*] )", paragraph):
            if item.startswith(("    ", "```", "|")):
                yield from prose(item, indent="", width=None)
            elif item.startswith(("- ", "* ")):
                first, *rest = prose(" ".join(item[2:].split()), indent="  ", width=width)
                yield line(f"- {first[0][0][2:]}")
                yield from rest
            else:
                yield from prose(" ".join(item.split()), indent="", width=width)


def _from_here(path: str) -> str:
    short = os.path.relpath(path)
    return path if short.startswith("..") else short
