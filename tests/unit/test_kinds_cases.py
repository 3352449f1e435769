"""What each kind makes of its fields: the tables in cases/, through the real loader; every script through checkers."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

import provision.resources
from provision.answers import SurveyParser
from provision.errors import ConfigError
from provision.plan import compare
from provision.resources.base import Diff, Facts, LocalFile, Read, Rendered, Resource, Shell, Step, partial
from provision.resources.fields import Expression
from provision.resources.kinds import CHECKS, KINDS
from provision.resources.service import Service, act
from provision.schema import Module, fields_of
from provision.templating import Templates
from provision.yamlfile import Node, load

TABLES = Path(__file__).parent / "cases"
ANSIBLE = Path(str(distribution("ansible-core").locate_file("ansible")))
MODULES, FRAGMENTS = ANSIBLE / "modules", ANSIBLE / "plugins" / "doc_fragments"
LOGIN_PORT = ("login_port", "port")
OF_COLLECTIONS = {
    "authorized_key": {"user", "key", "path", "manage_dir", "state", "key_options", "exclusive", "comment", "follow"},
    "postgresql_db": {"name", "db", "owner", "encoding", "template", "lc_collate", "lc_ctype", "state", *LOGIN_PORT},
    "postgresql_ext": {"name", "ext", "db", "login_db", "schema", "cascade", "version", "state", *LOGIN_PORT},
    "postgresql_pg_hba": {"dest", "contype", "databases", "users", "address", "source", "src", "method", "state"},
    "postgresql_user": {"name", "user", "password", "role_attr_flags", "conn_limit", "expires", "state", *LOGIN_PORT},
    "sysctl": {"name", "key", "value", "val", "state", "ignoreerrors", "reload", "sysctl_file", "sysctl_set"},
    "timezone": {"name", "hwclock"},
}
"""The options of modules that ansible-core lacks: of ansible.posix, community.general, community.postgresql."""
OURS = {
    "firewall": {"allow", "ssh_from", "http", "http_port", "revert_after", "state"},
    "sshd": {"password_authentication", "revert_after"},
    "site_options": {"tls", "trusted_proxies", "static_cache", "max_body", "security_headers", "hsts"},
    "systemd_unit": {"name", "dropin", "src", "content", "state"},
    "uv": {"path", "version", "hashes"},
}
ARMORED = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"


class Files:
    """Any file of a role, by its name."""

    def local(self, path: Node) -> LocalFile:
        data = ARMORED if path.text.endswith(".asc") else f"the file {path.text}\n".encode()
        return LocalFile(path.text, data)

    def rendered(self, path: Node) -> Rendered:
        return Rendered(path.text, f"the template {path.text}\n")

    def tree(self, path: Node) -> NoReturn:
        raise AssertionError("none of these kinds takes an app")

    def expression(self, node: Node) -> Expression:
        return Expression(node.text, Templates().expression(node, {}), str(node.position))


class Case:
    """One entry of a table."""

    def __init__(self, table: str, node: Node) -> None:
        assert isinstance(node.value, dict)
        (self.kind,) = set(node.value) & set(KINDS)
        self.kinds = CHECKS if table == "check" else KINDS
        self.arguments = node.value[self.kind]
        self.expected: dict[str, Any] = {key: value.plain() for key, value in node.value.items() if key != self.kind}
        self.id = f"{table}: {self.expected['case']}"

    def build(self) -> Any:
        module = Module(self.kind, self.kinds[self.kind])
        given = module.given(self.arguments, self.arguments.position)
        return module.build(given, lambda node: node, Files(), self.arguments.position)

    def diff(self, resource: Resource) -> Diff:
        observed = SurveyParser(resource.reads()).observed().readings
        found: Mapping[str, Mapping[str, str]] = self.expected.get("observed", {})
        assert set(found) <= {read_name(read) for read in observed}, "the case observes what is not read"
        readings = {read: {**reading, **found.get(read_name(read), {})} for read, reading in observed.items()}
        return compare(resource.desired(Facts()), readings, Facts())


def read_name(read: Read) -> str:
    """``Stat /etc/motd``, ``Account app``; of a Shell its type alone."""
    which = getattr(read, "path", getattr(read, "name", ""))
    return f"{type(read).__name__} {which}".strip()


def cases() -> Iterator[Case]:
    for table in sorted(TABLES.glob("*.yml")):
        entries = load(table).value
        assert isinstance(entries, list)
        yield from (Case(table.stem, entry) for entry in entries)


ALL = list(cases())
GOOD = [case for case in ALL if "refused" not in case.expected]
BAD = [case for case in ALL if "refused" in case.expected]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.id)
def test_the_plan_of_a_case(case: Case) -> None:
    resource = case.build()
    diff = case.diff(resource)
    assert sorted(f"{read_name(c.property.read)} {c.property.name}" for c in diff.changes) == case.expected["differs"]
    steps = resource.change(diff) if diff.changes else []
    assert bool(steps) == bool(diff.changes)
    text = "\n".join(step.script for step in steps)
    assert [line for line in case.expected.get("script", []) if line not in text] == []
    if "content" in case.expected:
        assert case.expected["content"].encode() in [data for step in steps for data in step.files.values()]
    if "starts" in case.expected:
        assert resource.starts(diff) == case.expected["starts"]
    if "abort" in case.expected:
        assert [step.abort for step in steps] == [case.expected["abort"]]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.id)
def test_reads_need_the_identity_alone(case: Case) -> None:
    resource = case.build()
    identity = {name: getattr(resource, name) for name in type(resource).IDENTITY}
    assert set(partial(type(resource), identity).reads()) == set(resource.reads())


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
def test_a_case_is_refused_with_a_place(case: Case) -> None:
    with pytest.raises(ConfigError) as refusal:
        case.build()
    assert refusal.value.message.startswith(case.expected["refused"])
    assert refusal.value.position is not None


def documentation(path: Path, name: str = "DOCUMENTATION") -> dict[str, Any]:
    """The YAML in a constant of one of Ansible's modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            text: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return text
    return {}


def ansible_options(name: str) -> set[str]:
    """Every option of one of Ansible's modules, with the aliases and those it shares with others."""
    if found := OF_COLLECTIONS.get(name) or OURS.get(name):
        return found
    document = documentation(MODULES / f"{name}.py")
    options = dict(document["options"])
    shared = document.get("extends_documentation_fragment", [])
    for fragment in [shared] if isinstance(shared, str) else shared:
        file, _, constant = fragment.partition(".")
        options |= documentation(FRAGMENTS / f"{file}.py", (constant or "documentation").upper()).get("options", {})
    return {alias for option, said in options.items() for alias in (option, *(said.get("aliases") or ()))}


def test_every_module_named_as_in_ansible_has_a_case() -> None:
    assert {name for name in KINDS if (MODULES / f"{name}.py").exists()} <= {case.kind for case in GOOD}


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS[case.kind] for case in GOOD), ids=lambda kind: kind.__name__)
def test_fields_are_named_as_in_ansible(kind: type) -> None:
    names = [name for name, candidate in KINDS.items() if candidate is kind]
    theirs = {option for name in names for option in ansible_options(name)}
    ours = {alias for option in fields_of(kind) for alias in (option.name, *option.aliases)}
    assert ours - theirs <= {"unless", "environment", "validate_tree", "tried_by", "checksum"}


def steps_of_all_cases() -> Iterator[Step]:
    for case in GOOD:
        resource = case.build()
        diff = case.diff(resource)
        yield from resource.change(diff) if diff.changes else ()
    yield from (act("caddy.service", action) for action in ("started", "restarted", "reloaded"))


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every read and step of every case as a file."""
    reads = (read.script for case in GOOD for read in case.build().reads() if isinstance(read, Shell))
    texts = sorted(
        {
            *("#!/bin/sh\n" + script + "\n" for script in reads),
            *("#!/bin/sh -eu\n" + step.script + "\n" for step in steps_of_all_cases()),
        }
    )
    folder = tmp_path_factory.mktemp("scripts")
    for number, text in enumerate(texts):
        (folder / f"{number}.sh").write_text(text)
    return [str(folder / f"{number}.sh") for number in range(len(texts))]


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_every_script_is_valid_shell(shell: str, scripts: list[str]) -> None:
    failed = {name: subprocess.run([shell, "-n", name], capture_output=True, text=True).stderr for name in scripts}
    assert len(failed) > 40
    assert {name: errors for name, errors in failed.items() if errors} == {}


def test_shellcheck_has_nothing_to_say(scripts: list[str]) -> None:
    # SC2034: a read and a step share a function, and only the step uses all that it sets. SC2174: the mode is meant
    # for the deepest folder.
    command = ["shellcheck", "--shell=sh", "--severity=warning", "--exclude=SC2034,SC2174"]
    found = subprocess.run([*command, *scripts], capture_output=True, text=True)
    assert found.stdout + found.stderr == ""


def test_values_enter_shell_text_through_sh_alone() -> None:
    folder = Path(next(iter(provision.resources.__path__)))
    calls = [
        (path.name, node)
        for path in sorted(folder.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("sh", "Sh") and node.args
    ]
    built = [
        f"{name}:{call.lineno}"
        for name, call in calls
        for part in ast.walk(call.args[0])
        if isinstance(part, ast.JoinedStr) or (isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mod))
    ]
    assert len(calls) > 50
    assert built == []


def test_a_start_that_is_due_is_recognised() -> None:
    service = Service(name="app@blue", state="started")
    diff = compare(service.desired(Facts()), SurveyParser(service.reads()).observed().readings, Facts())
    assert service.unit == "app@blue.service"
    assert service.starts(diff)
