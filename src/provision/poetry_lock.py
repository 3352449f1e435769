"""poetry.lock as requirements.txt with hashes, which uv installs: formats 1.1, 2.0 and 2.1, without Poetry.

2.1 says of each package in which groups and under which marker it is wanted. The older formats say only what each
package depends on, so there the way from the project's own dependencies to a package decides.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from provision import poetry_versions
from provision.errors import ConfigError
from provision.pyproject import Pyproject, read_toml

LOCK = "poetry.lock"

_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_TRUE, _FALSE = 'python_version >= "3"', 'python_version < "3"'
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?([^;]*)(?:;(.*))?")

Wanted = tuple[str, str, str, tuple[str, ...]]
"""Name, versions, marker and extras of something that is asked for."""
_MAIN = "main"


def requirements(pyproject: Pyproject, groups: Sequence[str] = (), extras: Sequence[str] = ()) -> str:
    """What to install for the main group, ``groups`` and the project's ``extras``. Raises ConfigError."""
    lock = read_toml(pyproject.content, LOCK)
    packages = [package for package in lock.get("package", ()) if isinstance(package, dict)]
    for group in groups:
        if not _group(pyproject, group):
            raise ConfigError(f"app_groups: pyproject.toml has no dependency group {group}")
    known = {_normal(name) for name in (*_poetry_extras(pyproject), *_project_extras(pyproject))}
    for extra in extras:
        if _normal(extra) not in known:
            raise ConfigError(f"app_extras: pyproject.toml has no extra {extra}")
    if lock.get("metadata", {}).get("lock-version", "").split(".") >= ["2", "1"]:
        chosen = _marked(packages, [_MAIN, *groups], extras)
    else:
        chosen = _reached(packages, list(_wanted(pyproject, groups, extras)), pyproject)
    files = lock.get("metadata", {}).get("files", {})
    lines = sorted(_line(package, marker, files) for package, marker in chosen if not _is_root(package))
    return "".join(f"{line}\n" for line in lines)


def requires_python(pyproject: Pyproject) -> str:
    """The versions of Python that ``[tool.poetry.dependencies]`` asks for, as a specifier; empty where it cannot."""
    written = pyproject.table("tool", "poetry", "dependencies").get("python", "")
    return poetry_versions.specifier(written) if isinstance(written, str) else ""


def _marked(
    packages: Iterable[Mapping[str, Any]], groups: Sequence[str], extras: Sequence[str]
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Format 2.1: the packages of the groups, each with its marker."""
    for package in packages:
        markers = package.get("markers", "")
        of_group = markers if isinstance(markers, dict) else dict.fromkeys(package["groups"], markers)
        found = [_decide(of_group.get(group, ""), extras) for group in groups if group in package["groups"]]
        if found and (marker := _any(found)) != _FALSE:
            yield package, marker


def _reached(
    packages: Sequence[Mapping[str, Any]], wanted: Iterable[Wanted], pyproject: Pyproject
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Formats 1.1 and 2.0: the packages that the wanted ones lead to, each under the conditions of all ways to it."""
    named: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for number, package in enumerate(packages):
        named.setdefault(_normal(package["name"]), []).append((number, package))
    # A way is the set of markers on it; a way that holds another one's markers says nothing new.
    ways: dict[tuple[int, str], set[frozenset[str]]] = {}
    queue = deque((want, frozenset[str]()) for want in wanted)
    while queue:
        (name, versions, marker, extras), way = queue.popleft()
        way |= {marker} if marker else set()
        found = [one for one in named.get(_normal(name), ()) if poetry_versions.allows(versions, one[1]["version"])]
        if not found:
            raise ConfigError(
                f"poetry.lock has no {name} {versions}".removesuffix(" *"),
                position=pyproject.position(rf"\W*{re.escape(name)}\b"),
                hint="run `poetry lock`",
            )
        for number, package in found:
            for extra in ("", *extras):
                known = ways.setdefault((number, extra), set())
                if not any(other <= way for other in known):
                    known -= {other for other in known if way <= other}
                    known.add(way)
                    queue.extend((needed, way) for needed in _needs(package, extra))
    for number, package in enumerate(packages):
        if (number, "") in ways:
            yield package, _any([_all(way) for way in ways[number, ""]])


def _needs(package: Mapping[str, Any], extra: str) -> Iterator[Wanted]:
    """What a locked package depends on, by itself or for one of its extras."""
    for name, entries in package.get("dependencies", {}).items():
        for entry in entries if isinstance(entries, list) else [entries]:
            options = entry if isinstance(entry, dict) else {"version": entry}
            marker = _decide(options.get("markers", ""), [extra] if extra else [])
            of_extra = options.get("optional", False) or _EXTRA.search(options.get("markers", "")) is not None
            if marker != _FALSE and of_extra == bool(extra):
                yield name, options.get("version", "*"), marker, tuple(options.get("extras", ()))


def _wanted(pyproject: Pyproject, groups: Sequence[str], extras: Sequence[str]) -> Iterator[Wanted]:
    """What the project itself asks for."""
    chosen = {_normal(name) for extra in extras for name in _poetry_extras(pyproject).get(extra, ())}
    project = pyproject.table("project")
    for requirement in project.get("dependencies", ()):
        yield from _of_text(requirement)
    for extra in extras:
        for requirement in _project_extras(pyproject).get(extra, ()):
            yield from _of_text(requirement)
    tables = [pyproject.table("tool", "poetry", "dependencies"), *(_group(pyproject, group) for group in groups)]
    listed = {_normal(want[0]) for text in project.get("dependencies", ()) for want in _of_text(text)}
    for table in tables:
        for name, entries in table.items():
            # Beside [project] the table of Poetry only says where a package comes from.
            if name == "python" or (table is tables[0] and _normal(name) in listed):
                continue
            for entry in entries if isinstance(entries, list) else [entries]:
                options = entry if isinstance(entry, dict) else {"version": entry}
                if options.get("optional") and _normal(name) not in chosen:
                    continue
                marker = _all([options.get("markers", ""), poetry_versions.python_marker(options.get("python", ""))])
                yield name, options.get("version", "*"), marker, tuple(options.get("extras", ()))


def _of_text(requirement: str) -> Iterator[Wanted]:
    """A requirement as in ``[project] dependencies``."""
    if found := _NAME.match(requirement):
        name, extras, versions, marker = found.groups()
        versions = "*" if "@" in versions else versions.strip(" ()") or "*"
        yield (
            name,
            versions,
            (marker or "").strip(),
            tuple(extra.strip() for extra in (extras or "").split(",") if extra),
        )


def _group(pyproject: Pyproject, name: str) -> dict[str, Any]:
    """A dependency group as a table of Poetry's; empty where there is none."""
    if name == _MAIN:
        return {}
    found = dict(pyproject.table("tool", "poetry", "group", name, "dependencies"))
    if name == "dev":
        found |= pyproject.table("tool", "poetry", "dev-dependencies")
    for entry in pyproject.table("dependency-groups").get(name, ()):
        if isinstance(entry, dict):
            found |= _group(pyproject, entry["include-group"])
        else:
            found |= {
                want: {"version": versions, "markers": marker, "extras": list(extras)}
                for want, versions, marker, extras in _of_text(entry)
            }
    return found


def _poetry_extras(pyproject: Pyproject) -> Mapping[str, Any]:
    return pyproject.table("tool", "poetry", "extras")


def _project_extras(pyproject: Pyproject) -> Mapping[str, Any]:
    return pyproject.table("project", "optional-dependencies")


def _decide(marker: str, extras: Sequence[str]) -> str:
    """``marker`` with its questions after an extra answered; empty where nothing else is in it."""
    names = {_normal(extra) for extra in extras}
    decided = _EXTRA.sub(lambda found: _TRUE if _normal(found[1]) in names else _FALSE, marker)
    plain = decided.strip("() ")
    if plain in (_TRUE, _FALSE):
        return "" if plain == _TRUE else _FALSE
    if " or " not in decided:
        parts = [part.strip() for part in decided.split(" and ")]
        if any(part.strip("() ") == _FALSE for part in parts):
            return _FALSE
        return " and ".join(part for part in parts if part != _TRUE)
    return decided


def _all(markers: Iterable[str]) -> str:
    given = sorted({marker for marker in markers if marker})
    return " and ".join(f"({marker})" if len(given) > 1 and " or " in marker else marker for marker in given)


def _any(markers: Sequence[str]) -> str:
    given = sorted({marker for marker in markers if marker != _FALSE})
    if not given:
        return _FALSE
    return "" if "" in given else " or ".join(f"({marker})" if len(given) > 1 else marker for marker in given)


def _line(package: Mapping[str, Any], marker: str, files: Mapping[str, Any]) -> str:
    """One requirement, with the hashes of its files."""
    name, source = package["name"], package.get("source", {})
    target, hashes = f"{name}=={package['version']}", ""
    match source.get("type", "legacy"):
        case "git":
            place = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
            target = f"{name} @ git+{source['url']}@{source['resolved_reference']}{place}"
        case "url":
            target = f"{name} @ {source['url']}"
        case "file" | "directory":
            # No name: uv takes a relative path alone, from where it runs.
            target = f"./{source['url']}"
        case _:
            listed = package.get("files") or files.get(name, ())
            hashes = "".join(f" \\\n    --hash={hash_}" for hash_ in sorted({file["hash"] for file in listed}))
    return f"{target}{f' ; {marker}' if marker else ''}{hashes}"


def _is_root(package: Mapping[str, Any]) -> bool:
    return package.get("source", {}).get("type") == "directory" and package["source"].get("url") in ("", ".")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
