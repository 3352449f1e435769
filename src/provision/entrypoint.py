"""Where the FastAPI app is, found as `fastapi run` finds it, but from the source's text: the app is never imported.

The order is that of fastapi_cli/discover.py (0.0.34). Unlike there, the search for ``__init__.py`` ends at the root of
the tree, whose own name on the host is an id and no package.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from provision.content import Content

DEFAULT_FILES = ("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py")

_IMPORT_STRING = re.compile(r"(?<![\w./:])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?![\w/:])")
_PLAIN_INSTANCE = re.compile(r"^([a-z]\w*)\s*(?::[^=\n]*)?=\s*(?:fastapi\.)?FastAPI\(", re.MULTILINE)
_PYTHON_FILE = re.compile(r"(?<![\w/])[\w./-]+\.py\b")


@dataclass(frozen=True)
class Entrypoint:
    """``target`` is ``package.module:variable``; ``folder`` holds the package, '' for the tree's root."""

    target: str
    folder: str = ""


@dataclass(frozen=True)
class Candidate:
    """A place that may be the app, for an error or a question. ``source`` says where it was seen."""

    entrypoint: Entrypoint
    source: str


def discover(content: Content) -> Entrypoint | None:
    """What `fastapi run` without arguments would start in the folder; None if it would not find an app."""
    name = next((name for name in DEFAULT_FILES if name in content), None)
    if name is None:
        return None
    variable = _variable(content.read(name))
    return _entrypoint(name, variable, content) if variable else None


def candidates(content: Content) -> list[Candidate]:
    """Places that may be the app, the likeliest first: start commands of Procfile and Dockerfile, then the source."""
    found = [*_commands(content), *_instances(content)]
    return list({candidate.entrypoint: candidate for candidate in reversed(found)}.values())[::-1]


def _entrypoint(name: str, variable: str, content: Content) -> Entrypoint:
    path = PurePosixPath(name)
    parts = [path.stem] if path.stem != "__init__" else []
    folder = path.parent
    while folder.parts and f"{folder}/__init__.py" in content:
        parts.insert(0, folder.name)
        folder = folder.parent
    return Entrypoint(f"{'.'.join(parts)}:{variable}", "" if folder == PurePosixPath() else str(folder))


def _variable(source: bytes) -> str | None:
    """The module's variable that `fastapi run` takes: ``app``, ``api``, or any other FastAPI instance.

    A value that only running could tell (``app = create_app()``, ``from .core import app``) is believed.
    """
    statements = list(_statements(_parse(source).body))
    made = _instances_of(statements)
    bound = {name for statement in statements for name in _believable(statement)}
    for name in ("app", "api"):
        if name in made or (name == "app" and name in bound):
            return name
    return next(iter(sorted(made)), "api" if "api" in bound else None)


def _parse(source: bytes) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        # The app's Python may be newer than this one; what is plain to see is seen all the same.
        found = _PLAIN_INSTANCE.findall(source.decode("utf-8", errors="replace"))
        return ast.parse("\n".join(f"{name} = FastAPI()" for name in found))


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, also those below if, try and with."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try | ast.With):
            for block in ("body", "handlers", "orelse", "finalbody"):
                for inner in getattr(statement, block, []):
                    yield from _statements(inner.body if isinstance(inner, ast.ExceptHandler) else [inner])


def _assigned(statement: ast.stmt) -> tuple[list[str], ast.expr | None]:
    match statement:
        case ast.Assign(targets=targets, value=value):
            return [target.id for target in targets if isinstance(target, ast.Name)], value
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return [name], value
    return [], None


def _called(value: ast.expr | None) -> str:
    """The last word of what ``value`` calls: ``FastAPI`` of ``fastapi.FastAPI()``."""
    match value:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name
    return ""


def _instances_of(statements: Collection[ast.stmt]) -> set[str]:
    classes = {"FastAPI"}
    for statement in statements:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").split(".")[0] == "fastapi":
            classes.update(alias.asname for alias in statement.names if alias.name == "FastAPI" and alias.asname)
    pairs = (_assigned(statement) for statement in statements)
    return {name for names, value in pairs if _called(value) in classes for name in names}


def _believable(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.ImportFrom):
        return {alias.asname or alias.name for alias in statement.names}
    names, value = _assigned(statement)
    other = value is None or isinstance(value, ast.Constant) or _called(value) in {"APIRouter", "Typer", "Flask"}
    return set() if other else set(names)


def _instances(content: Content) -> Iterator[Candidate]:
    """Every module-level FastAPI instance outside the tests, those nearest to the root first."""
    for name in sorted(content.names, key=lambda name: (name.count("/"), name)):
        path = PurePosixPath(name)
        if path.suffix != ".py" or "tests" in path.parts or path.name.startswith(("test_", "conftest")):
            continue
        for variable in sorted(_instances_of(list(_statements(_parse(content.read(name)).body)))):
            yield Candidate(_entrypoint(name, variable, content), name)


def _commands(content: Content) -> Iterator[Candidate]:
    """The apps that Procfile's ``web:`` and the last CMD or ENTRYPOINT of Dockerfile start."""
    for name, pattern in (("Procfile", r"^web:(.*)"), ("Dockerfile", r"^(?:CMD|ENTRYPOINT)\b(.*)")):
        if name not in content:
            continue
        text = content.text(name).replace("\\\n", " ")
        for command in re.findall(pattern, text, re.MULTILINE | re.IGNORECASE)[-1:]:
            for target in _IMPORT_STRING.findall(command):
                yield Candidate(Entrypoint(target), name)
            for path in _PYTHON_FILE.findall(command):
                if path in content and (variable := _variable(content.read(path))):
                    yield Candidate(_entrypoint(path, variable, content), name)
