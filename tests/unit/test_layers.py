"""The source keeps to DESIGN's layers and sizes: imports point down, and some libraries have one home only."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import provision

SOURCE = Path(provision.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

LAYERS = (
    ("cli", "__main__"),
    ("bench",),
    ("report", "lab", "bench.events"),
    ("run", "ops", "explain", "lint"),
    ("roll", "performers"),
    ("worker",),
    ("converge", "new_login"),
    ("application", "plan", "handlers", "together", "script", "answers", "sayings", "diffs", "vitals"),
    ("play", "fleet", "playbook", "rendering", "role", "role_files", "role_docs", "json_schema", "roles"),
    ("resources",),
    ("tasks", "schema", "argument_specs", "refusals", "scaffold"),
    (
        "inventory",
        "templating",
        "kept_code",
        "template_errors",
        "scope",
        "filters",
        "coerce",
        "secrets",
        "options",
    ),
    ("source", "archive", "commit", "wheel", "listing", "project", "dependencies", "entrypoint", "environment"),
    ("audit", "content", "git", "masking", "pyproject", "poetry_lock", "poetry_versions", "python_versions"),
    ("transport",),
    # The words that the engine, the kinds and the templates share; they import no other part.
    (
        "resources.base",
        "resources.task",
        "resources.fields",
        "events",
        "yamlfile",
        "yaml_errors",
        "nearest",
        "batches",
        "checks",
    ),
    ("vault", "vault_format", "vault_passwords"),
    ("shell", "errors", ""),
)
"""From top to bottom; the longest name that fits a module says where it lies. Neighbours may import each other."""

APART = (("report", "lab"), ("lab", "report"))
"""Neighbours that may not."""

HOMES: dict[str, str | tuple[str, ...]] = {
    "click": "cli",
    "rich": "report",
    "fabric": "transport.ssh_jump",
    "paramiko": "transport.ssh",
    "cryptography": ("transport.ssh", "vault_format", "ops.certificates"),
    "jinja2": ("templating", "kept_code", "template_errors", "filters", "scope"),
}
"""Library -> the only modules, by the beginning of their names, that may import it."""


def _module(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _layer(module: str) -> int | None:
    names = {name: level for level, layer in enumerate(LAYERS) for name in layer}
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in names:
            return names[".".join(parts[:length])]
    return None


@functools.cache
def _nodes(file: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(file.read_text("utf-8"))))


def _imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every import, those inside functions and of ``TYPE_CHECKING`` among them."""
    for node in _nodes(file):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: a relative import hides where it points"
            yield node.lineno, str(node.module)
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _own(name: str) -> str | None:
    """The module of provision that an imported name means; None for a library, or an attribute of a module."""
    if not name.startswith("provision."):
        return None
    path = SOURCE.joinpath(*name.split(".")[1:])
    return name.removeprefix("provision.") if path.is_dir() or path.with_suffix(".py").exists() else None


def test_every_module_has_a_layer() -> None:
    """A new module is a decision: whoever adds one says here where it lies."""
    assert [module for file in FILES if (module := _module(file)) and _layer(module) is None] == []


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_imports_point_down(file: Path) -> None:
    """No module imports one of a layer above its own."""
    module = _module(file)
    here = _layer(module)
    wrong = [
        f"{file}:{line}: {module} imports {target}, which lies above it"
        for line, name in _imports(file)
        if here is not None and (target := _own(name)) and (_above(target, here) or _apart(module, target))
    ]
    assert wrong == []


def _above(target: str, here: int) -> bool:
    layer = _layer(target)
    return layer is not None and layer < here


def _apart(module: str, target: str) -> bool:
    return (module.split(".")[0], target.split(".")[0]) in APART


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_libraries_stay_at_home(file: Path) -> None:
    """Whoever wants to change a library changes one place."""
    strangers = [
        f"{file}:{line}: {name}"
        for line, name in _imports(file)
        if (home := HOMES.get(name.split(".")[0])) and not _module(file).startswith(home)
    ]
    assert strangers == []


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_sizes_and_names(file: Path) -> None:
    """Files of 300 lines at most, functions of 60, and no drawer for odds and ends."""
    text = file.read_text("utf-8")
    assert len(text.splitlines()) <= 300, f"{file} is too long"
    long = [
        f"{file}:{node.lineno}: {node.name}"
        for node in _nodes(file)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= 60
    ]
    assert long == []
    assert file.stem not in {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_only_report_prints(file: Path) -> None:
    """Programs that run on a host print there; everything else emits events or uses click.echo."""
    if _module(file).startswith(("report", "resources.programs")):
        return
    calls = [
        f"{file}:{node.lineno}"
        for node in _nodes(file)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert calls == []


def test_the_test_sees_a_wrong_arrow(tmp_path: Path) -> None:
    """An import inside a function and one of a submodule count."""
    file = tmp_path / "wrong.py"
    file.write_text("def f():\n    from provision import run\n    import provision.report.plain\n")
    assert [_own(name) for _, name in _imports(file)] == [None, "run", "report.plain"]
    assert _layer("run") == 3
    assert _layer("resources.base") != _layer("resources.copy")
