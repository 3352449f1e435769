"""Where the value of a variable comes from, and what it overrode."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from provision.argument_specs import Argument
from provision.errors import ConfigError, Position
from provision.inventory import Host
from provision.inventory.model import Layer
from provision.nearest import did_you_mean
from provision.ops.targets import Targets
from provision.role import Role
from provision.template_errors import FactsNeeded
from provision.vault import Vault
from provision.yamlfile import Node

HIDDEN = "(hidden)"

ENVIRONMENTS = frozenset({"app_env", "app_secrets", "app_secret_values"})
"""Variables whose keys may be seen, but no value: passwords of databases stand there."""


@dataclass(frozen=True)
class Definition:
    """One place that gives a variable a value."""

    position: Position
    where: str
    """In Ansible's words: ``group web``, ``host_vars/web1.yml``, ``default of the role app``."""
    written: str
    """The value as it is written there."""


@dataclass(frozen=True)
class Explanation:
    """A variable of one host."""

    host: str
    name: str
    value: str
    """The rendered value; or why it cannot be known here."""
    definitions: tuple[Definition, ...]
    """The one in effect first; each of the others is overridden by those before it."""
    declared: tuple[str, Argument] | None = None
    """The role that declares the variable, and how."""


def explain(targets: Targets, host: Host, name: str) -> Explanation:
    """The variable ``name`` of ``host``. Raises ConfigError where there is none."""
    roles = targets.roles(host)
    arguments = {name: (role.name, argument) for role in roles for name, argument in (role.arguments or {}).items()}
    definitions = [*_definitions(targets, host, roles, name)][::-1]
    declared = arguments.get(name)
    if not definitions and declared is None:
        known = {*arguments, *targets.given(host), *(key for role in roles for key in role.defaults)}
        hint = did_you_mean(name, known, f"`provision inventory --host {host.name}` shows the inventory's variables.")
        raise ConfigError(f"{host.name} has no variable {name}", hint=hint)
    secrets = {name for name, (_, argument) in arguments.items() if argument.no_log}
    secrets |= {
        name
        for layer in (*host.layers, Layer("--set", targets.extra))
        for name, node in layer.variables.items()
        if _was_encrypted(node, targets.inventory.vault)
    }
    show = _shown(name, secrets)
    return Explanation(
        host.name,
        name,
        _value(targets, host, roles, name, secrets) if definitions else "not set",
        tuple(Definition(node.position, where, show(node)) for where, node in definitions),
        declared,
    )


def _definitions(targets: Targets, host: Host, roles: Sequence[Role], name: str) -> Iterator[tuple[str, Node]]:
    """What gives the variable a value and where, the weakest first."""
    for role in roles:
        if name in role.defaults:
            yield f"default of the role {role.name}", role.defaults[name]
    yield from host.origins(name)
    if name in targets.extra:
        yield "--set", targets.extra[name]
    if name in host.magic:
        yield "Ansible's own", targets.given(host)[name]


def _value(targets: Targets, host: Host, roles: Sequence[Role], name: str, secrets: set[str]) -> str:
    scope = targets.scope(host, roles)
    try:
        node = scope.node(name)
    except FactsNeeded as needed:
        return f"known on the host only: it needs {needed}"
    if name not in ENVIRONMENTS and not secrets.isdisjoint(scope.used):
        return HIDDEN
    return _shown(name, secrets)(node)


def _shown(name: str, secrets: set[str]) -> Callable[[Node], str]:
    if name in ENVIRONMENTS:
        return _keys_only
    if name in secrets or (name.startswith("ansible_") and "pass" in name):
        return lambda node: HIDDEN
    return one_line


def _was_encrypted(node: Node, vault: Vault) -> bool:
    """Is a value, or a part of it, one that ansible-vault has encrypted?"""
    if node.ciphertext or node.position.file in vault.files:
        return True
    if isinstance(node.value, dict):
        return any(_was_encrypted(child, vault) for child in node.value.values())
    return isinstance(node.value, list) and any(_was_encrypted(child, vault) for child in node.value)


def _keys_only(node: Node) -> str:
    if not isinstance(node.value, Mapping):
        return HIDDEN
    return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {HIDDEN}" for key in node.value) + "}"


def one_line(node: Node) -> str:
    """A value as JSON in one line; numbers as they are written."""
    if isinstance(node.value, Mapping):
        items = (f"{json.dumps(key, ensure_ascii=False)}: {one_line(item)}" for key, item in node.value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(node.value, list):
        return "[" + ", ".join(map(one_line, node.value)) + "]"
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.text
    return json.dumps(node.value, ensure_ascii=False)
