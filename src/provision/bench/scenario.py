"""What a role's folder says about its test: variables, checks, and tests for pytest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from provision import coerce
from provision.errors import ConfigError, Position
from provision.fleet import Fleet
from provision.inventory.model import Host, Layer
from provision.playbook import HostPlay
from provision.resources.kinds import CHECKS, KINDS
from provision.role import Modules, Role, load_role
from provision.tasks import TaskSource, parse_tasks
from provision.transport.protocol import Login
from provision.vault import Vault
from provision.yamlfile import Node, from_plain, load

WAITING = ("uri", "wait_for")
"""The modules whose steps change nothing and wait."""


@dataclass(frozen=True)
class Scenario:
    """A role and its test, read from disk once for all hosts."""

    role: Path
    variables: Mapping[str, Node]
    """Those of tests/vars.yml, with ``roles``."""
    waits: tuple[TaskSource, ...] = ()
    """What tests/verify.yml waits for."""
    checks: tuple[TaskSource, ...] = ()
    """All else that it checks."""
    tests: tuple[Path, ...] = ()
    """tests/test_*.py."""
    vault: Vault = field(default_factory=Vault)

    @property
    def folder(self) -> Path:
        """Where relative paths of the variables start."""
        return self.role / "tests"

    def fleet(self, checks: tuple[TaskSource, ...] = ()) -> Fleet:
        """What makes plays: of the roles, or of these checks with the variables of the roles."""
        if not checks:
            return Fleet(self.folder, {}, self.vault, read_secrets=True, own_roles=self.role.parent)
        return _Checking(self, checks)

    def play(self, host: Host, checks: tuple[TaskSource, ...] = ()) -> tuple[HostPlay, Login]:
        """The play of a host, validated. Raises ConfigError."""
        (found,) = self.fleet(checks).plays([host])
        return found

    def validate(self) -> None:
        """Find what is wrong before there is a host. Raises the first ConfigError."""
        host = self.host("test", {})
        for checks in ((), *(some for some in (self.waits, self.checks) if some)):
            self.play(host, checks)

    def host(self, name: str, connection: Mapping[str, object]) -> Host:
        """A host of an inventory that holds it alone; ``connection`` are its ``ansible_...``."""
        file = self.folder / "vars.yml"
        position = Position(file, 1, 1)
        reached = {key: from_plain(value, position) for key, value in connection.items()}
        return Host(
            name,
            position,
            str(file),
            groups=("all", "ungrouped"),
            layers=(Layer("tests/vars.yml", self.variables), Layer("the test host", reached)),
            magic={
                "inventory_hostname": name,
                "inventory_hostname_short": name,
                "inventory_file": str(file),
                "inventory_dir": str(self.folder),
                "group_names": ["ungrouped"],
                "groups": {"all": [name], "ungrouped": [name]},
            },
        )


class _Checking(Fleet):
    """The roles without their tasks, and a last one that has the checks."""

    def __init__(self, scenario: Scenario, checks: tuple[TaskSource, ...]) -> None:
        super().__init__(scenario.folder, {}, scenario.vault, read_secrets=True, own_roles=scenario.role.parent)
        self._checks = Role("verify", scenario.role, checks)

    def _host_roles(self, variables: Mapping[str, Node]) -> list[Role]:
        roles = super()._host_roles(variables)
        return [*(replace(role, tasks=(), handlers=(), rolling=False) for role in roles), self._checks]


def read_scenario(folder: Path, vault: Vault | None = None) -> Scenario:
    """The test of the role in ``folder``, validated as far as that goes without a host. Raises ConfigError."""
    role, vault = Path(os.path.abspath(folder)), vault or Vault()
    if not role.is_dir():
        hint = "name the folder of a role, as in `provision test roles/mine`; `provision init role mine` writes one"
        raise ConfigError(f"there is no folder {folder}", hint=hint)
    load_role(role.name, [role.parent], Modules(KINDS), vault=vault)
    tests = role / "tests"
    checks = _checks(_file(tests, "verify"), vault)
    scenario = Scenario(
        role,
        _variables(_file(tests, "vars"), role.name, vault),
        waits=tuple(task for task in checks if task.module and task.module.name in WAITING),
        checks=tuple(task for task in checks if not (task.module and task.module.name in WAITING)),
        tests=tuple(sorted(tests.glob("test_*.py"))),
        vault=vault,
    )
    scenario.validate()
    return scenario


def _file(tests: Path, name: str) -> Path | None:
    return next((file for end in ("yml", "yaml") if (file := tests / f"{name}.{end}").is_file()), None)


def _variables(file: Path | None, role: str, vault: Vault) -> Mapping[str, Node]:
    node = load(file, vault) if file else None
    own = coerce.mapping(node, "a file of variables") if node and node.value is not None else {}
    if "roles" not in own:
        return {**own, "roles": from_plain([role], Position(file or Path("vars.yml"), 1, 1))}
    named = own["roles"].value if isinstance(own["roles"].value, list) else [own["roles"]]
    if role not in (item.text for item in named):
        hint = f"Add {role} after the roles it needs."
        raise ConfigError(f"roles: lacks {role}, the role under test", position=own["roles"].position, hint=hint)
    return own


def _checks(file: Path | None, vault: Vault) -> tuple[TaskSource, ...]:
    node = load(file, vault) if file else None
    if node is None or node.value is None:
        return ()
    checks = parse_tasks(node, Modules(CHECKS))
    for check in checks:
        if check.module is None:
            raise ConfigError("a check is no meta", position=check.position, hint="Remove it; no handler runs here.")
        if check.notify:
            hint = "Remove notify; nothing is changed by a check."
            raise ConfigError("a check notifies no handler", position=check.notify[0].position, hint=hint)
    return checks
