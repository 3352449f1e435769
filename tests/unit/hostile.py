"""Every module with every string of its fields replaced by one that a shell would run if it got the chance."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.unit.test_kinds_cases import GOOD, Files, read_name

from provision import script
from provision.answers import SurveyParser
from provision.errors import Position
from provision.plan import compare
from provision.resources.base import Facts, Resource
from provision.resources.fields import Expression
from provision.resources.kinds import KINDS
from provision.schema import Module
from provision.source import SourceTree, pack
from provision.yamlfile import Node, from_plain

PLACE = Position(Path("task.yml"), 1, 1)
FACTS = Facts(
    distribution="Debian",
    distribution_release="bookworm",
    distribution_version="12",
    os_family="Debian",
    architecture="x86_64",
    processor_vcpus=2,
    memtotal_mb=2000,
    python_version="3.11",
)
RENDERED = "[Service]\nExecStart=@start@\n"
_RECIPE = {"name": "notes", "src": "app", "entrypoint": "main:app", "constraints": ["pydantic<2"]}
_BUILD = {
    **_RECIPE,
    "uv": "/opt/uv",
    "python": "/opt/python/bin/python3",
    "run_command": "gunicorn main:app",
    "writable": ["media"],
    "files": {"config.toml": "x = 1"},
}
_DEPLOYMENT = {
    **{name: value for name, value in _BUILD.items() if name != "uv"},
    "unit": "app.service.j2",
    "migrate_unit": "migrate.service.j2",
    "process_unit": "process.service.j2",
    "env": {"DATABASE_URL": "postgresql://db.example.com/notes"},
    "migrate_commands": ["alembic upgrade head"],
    "processes": {"queue": "python -m queue"},
    "database": "postgresql://db.example.com/notes",
    "migrate_host": "web1",
    "workers": "2",
    "memory_high": "100M",
    "memory_max": "200M",
    "host": "notes.example.com",
    "health_path": "/health",
}
OF_THE_APP: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("build", _BUILD),
    (
        "build",
        {**_RECIPE, "uv": "/opt/uv", "index_url": "https://x.example/", "index_username": "u", "index_password": "p"},
    ),
    ("deployment", _DEPLOYMENT),
    ("release", {"name": "notes", "src": "app"}),
    ("removal", {"name": "notes", "purge": True}),
    ("uv_python", {"uv": "/opt/uv", "version": "3.12", "path": "/opt/pythons", "downloads_url": "https://x.example/"}),
    ("caddy_account", {"name": ["a.example.com"], "email": "a@example.com", "acme_ca": "https://ca.example/dir"}),
    ("certificate", {"name": ["a.example.com"]}),
    ("site", {"name": ["a.example.com"], "email": "a@example.com", "health_path": "/x", "upstreams": ["10.0.0.5"]}),
    ("site", {"name": ["a.example.com"], "tls": "off", "trusted_proxies": ["10.0.0.0/8"], "app_port": 8000}),
    ("site_options", {"max_body": "10MB", "hsts": "300", "static_cache": "no-cache"}),
    ("site_options", {"security_headers": {"X-Frame-Options": "DENY"}}),
)
"""The kinds without a table of cases."""

CODE = frozenset(
    {
        *(("shell", "cmd"), ("shell", "unless"), ("command", "unless")),
        ("assert", "that"),
    }
)
"""Fields that are programs: what stands in them is run, that is what they are for."""


class AllFiles(Files):
    """Any file, template or app."""

    def tree(self, path: Node) -> Any:
        return app()

    def expression(self, node: Node) -> Expression:
        return Expression(node.text, True, str(node.position))


@functools.cache
def app() -> SourceTree:
    """A small app with a requirements.txt, packed once."""
    return pack(Path(__file__).parents[1] / "apps" / "assets")


@dataclass(frozen=True)
class Attack:
    """A task of which one string can be replaced."""

    kind: str
    arguments: Mapping[str, Any]
    path: tuple[str | int, ...]
    observed: Mapping[str, Mapping[str, str]]

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(map(str, self.path))}"

    @property
    def good(self) -> str:
        """What stands there in the task as it is."""
        found: Any = self.arguments
        for part in self.path:
            found = found[part]
        return str(found)

    def build(self, text: str) -> Resource:
        """The task with ``text`` instead. Raises ConfigError."""
        module = Module(self.kind, KINDS[self.kind])
        node = from_plain(_replaced(self.arguments, self.path, text), PLACE)
        return module.build(module.given(node, PLACE), lambda node: node, AllFiles(), PLACE)

    def scripts(self, resource: Resource) -> dict[str, bytes]:
        """Files of its survey and of its steps, by names that end in .sh where they are programs."""
        reads = set(resource.reads())
        files = {f"survey-{name}.sh": data for name, data in script.survey(reads, contents=True).items()}
        observed = SurveyParser(reads).observed().readings
        readings = {read: {**reading, **self.observed.get(read_name(read), {})} for read, reading in observed.items()}
        diff = compare(resource.desired(FACTS), readings, FACTS)
        steps = resource.change(diff) if diff.changes else []
        for name, data in script.apply(steps, audit={}).items():
            if name != "main":
                files[f"apply-{name}"] = data
        return files


def _replaced(value: Any, path: Sequence[str | int], text: str) -> Any:
    if not path:
        return text
    first, *rest = path
    if isinstance(value, Mapping):
        return {key: _replaced(item, rest, text) if key == first else item for key, item in value.items()}
    return [_replaced(item, rest, text) if number == first else item for number, item in enumerate(value)]


def attacks() -> Iterator[Attack]:
    """One for each string in each module's tasks."""
    tasks = [(case.kind, case.arguments.plain(), case.expected.get("observed", {})) for case in GOOD]
    seen = set()
    for kind, arguments, observed in (*tasks, *((kind, arguments, {}) for kind, arguments in OF_THE_APP)):
        for path in _strings(arguments):
            attack = Attack(kind, arguments, path, observed)
            shape = (KINDS[kind], path, tuple(sorted(arguments)), arguments.get("state"))
            if (kind, path[0]) not in CODE and shape not in seen:
                seen.add(shape)
                yield attack


def _strings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _strings(item, (*path, number))
    elif isinstance(value, str):
        yield path
