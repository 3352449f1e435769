"""The variables of one host as templates see them: rendered when first used, each once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from provision.errors import ConfigError
from provision.resources.base import Facts
from provision.template_errors import Absent, FactsNeeded, UndefinedVariable
from provision.yamlfile import Node

FACTS = frozenset({*Facts().variables(), "ansible_facts"})
"""The names of what is read from a host."""

Convert = Callable[[str, Node], Node]
"""Checks a rendered variable by its name and gives it its declared type; see argument_specs.py."""


class WrittenInt(int):
    """A number whose text is as in the YAML: ``0644`` stays ``0644`` through any filter."""

    text: str

    def __str__(self) -> str:
        return self.text


class WrittenFloat(float):
    """A number whose text is as in the YAML: ``3.10`` does not become ``3.1``."""

    text: str

    def __str__(self) -> str:
        return self.text


def as_written(node: Node) -> Any:
    """The plain value, with numbers that remember how they were written."""
    value = node.value
    if isinstance(value, dict):
        return {key: as_written(child) for key, child in value.items()}
    if isinstance(value, list):
        return [as_written(child) for child in value]
    if isinstance(value, bool) or not isinstance(value, int | float) or str(value) == node.text:
        return value
    number = WrittenInt(value) if isinstance(value, int) else WrittenFloat(value)
    number.text = node.text
    return number


class Scope(Mapping[str, Any]):
    """A mapping of names to plain values, for Jinja; ``node`` gives values with their places. One thread's own.

    Facts win over variables, as in Ansible. A variable that cannot be rendered for want of another, or of a fact, is an
    Absent that says so when it is used.
    """

    def __init__(
        self,
        resolve: Callable[[Node, Scope], Node],
        constants: Mapping[str, Any],
        variables: Mapping[str, Node],
        facts: Facts | None,
        convert: Convert,
    ) -> None:
        self._resolve = resolve
        self._constants = constants
        self._variables = variables
        self._facts = facts
        self._convert = convert
        self._item: dict[str, Node] = {}
        self._nodes: dict[str, Node] = {}
        self._values: dict[str, Any] = {}
        self._uses: dict[str, set[str]] = {}
        self._open: list[str] = []
        self.used: set[str] = set()
        """The variables used so far, directly or by another variable."""

    def with_item(self, item: Node, used: Collection[str] = ()) -> Scope:
        """The same variables and ``item``, already rendered, for one turn of a loop that ``used`` some of them."""
        scope = Scope(self._resolve, self._constants, self._variables, self._facts, self._convert)
        scope._item = {"item": item}
        scope._nodes = dict(scope._item)
        scope._uses = {"item": set(used)}
        return scope

    def is_variable(self, name: str) -> bool:
        """Is ``name`` something that somebody wrote, neither a fact nor a constant of ours?"""
        return name in self._item or (name in self._variables and name not in FACTS)

    def node(self, name: str) -> Node:
        """A rendered variable with its place. Raises ConfigError or FactsNeeded."""
        self.used.add(name)
        if name not in self._nodes:
            self._nodes[name] = self._rendered(name)
        self.used |= self._uses.get(name, set())
        return self._nodes[name]

    def __getitem__(self, name: str) -> Any:
        if not self.is_variable(name):
            return self._fact(name) if name in FACTS else self._constants[name]
        try:
            node = self.node(name)
        except (UndefinedVariable, FactsNeeded) as error:
            return Absent(name=name, because=error)
        if name not in self._values:
            self._values[name] = as_written(node)
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._item or name in self._variables or name in FACTS or name in self._constants

    def __iter__(self) -> Iterator[str]:
        return iter({*self._item, *self._variables, *FACTS, *self._constants})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _fact(self, name: str) -> Any:
        if self._facts is None:
            return Absent(name=name, because=FactsNeeded(name))
        values = self._facts.variables()
        if name == "ansible_facts":
            return {key.removeprefix("ansible_"): value for key, value in values.items()}
        return values[name]

    def _rendered(self, name: str) -> Node:
        node = self._variables[name]
        if name in self._open:
            chain = " -> ".join([*self._open[self._open.index(name) :], name])
            raise ConfigError(f"these variables need each other: {chain}", position=node.position)
        used, self.used = self.used, set()
        self._open.append(name)
        try:
            return self._convert(name, self._resolve(node, self))
        finally:
            self._open.pop()
            self._uses[name] = self.used
            self.used = used | self.used
