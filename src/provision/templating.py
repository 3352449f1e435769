"""Jinja as Ansible uses it: variables that hold templates, native types, errors that point at the place in the YAML.

YAML is parsed first, then its strings are rendered. A string that is wholly ``{{ x }}`` keeps the type of x, and one
that is wholly the name of a variable keeps also its place and source text: that is how ``3.10`` stays ``3.10``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import CodeType
from typing import Any

from jinja2 import Environment, Template, nodes
from jinja2.exceptions import TemplateSyntaxError

from provision import template_errors
from provision.errors import ConfigError, Position
from provision.filters import Filter, filters, plain, tests
from provision.kept_code import KeptCode
from provision.resources.base import Facts
from provision.scope import Convert, Scope
from provision.template_errors import Absent, FactsNeeded, MissingName
from provision.vault import Vault
from provision.yaml_errors import position_at
from provision.yamlfile import Node, describe, from_plain

OMIT = "__omit_place_holder__"
"""The value of Ansible's ``omit``: a field that gets it counts as not given."""

MANAGED = "Managed by provision; changes made here are overwritten."
"""The value of Ansible's ``ansible_managed``."""

_REFUSED_NAMES = {
    "lookup": "Read files with the copy or template module, secrets with the inventory's own means.",
    "query": "Write the list in a variable.",
    "q": "Write the list in a variable.",
    "hostvars": "Give the value as a group variable, which every host of the group has.",
    "now": "What changes with every run would be changed on the host by every run.",
}
_NEEDS_A_FILE = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)

_NAME_ALONE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}", re.ASCII)
_NO_NAMES = frozenset({*_REFUSED_NAMES, *("true", "false", "none", "True", "False", "None", "self")})
_NO_NAMES |= {"not", "and", "or", "in", "is", "if", "else"}

_NATIVE = "native"
"""The name, for Jinja, of a template that sets ``result`` instead of writing text."""


@dataclass(frozen=True)
class _Compiled:
    make: Callable[[], Template]
    text: str
    """What Jinja was given."""
    name: str = ""
    """It is this variable and nothing else."""

    @cached_property
    def template(self) -> Template:
        """Jinja's."""
        return self.make()


class Templates:
    """One Jinja environment, and all that is read from files and compiled in it: shared by all hosts of a run."""

    def __init__(
        self,
        extra_filters: Mapping[str, Filter] | None = None,
        kept: KeptCode | None = None,
        vault: Vault | None = None,
    ) -> None:
        self._kept, self._vault = kept, vault or Vault()
        self._environment = Environment(
            undefined=Absent, keep_trailing_newline=True, trim_blocks=True, finalize=_finalize, autoescape=False
        )
        self._environment.filters.update(filters())
        self._environment.filters.update(extra_filters or {})
        self._environment.tests.update(tests())
        self._environment.tests["defined"] = _is_defined
        self._environment.tests["undefined"] = lambda value: not _is_defined(value)
        self._environment.filters["default"] = self._environment.filters["d"] = _default
        self._constants = {**self._environment.globals, "omit": OMIT, "ansible_managed": MANAGED}
        self._compiled: dict[tuple[str, bool, bool], _Compiled] = {}
        self._files: dict[Path, bytes] = {}

    def scope(
        self, variables: Mapping[str, Node], facts: Facts | None = None, convert: Convert = lambda _name, node: node
    ) -> Scope:
        """The variables of one host, rendered as they are used; without ``facts`` their use raises FactsNeeded."""
        return Scope(self.resolve, self._constants, variables, facts, convert)

    def render(self, node: Node, variables: Mapping[str, Node] | Scope) -> Any:
        """The plain value of ``node`` with all its templates rendered. Raises ConfigError or FactsNeeded."""
        return self.resolve(node, self._scope(variables)).plain()

    def evaluate(self, node: Node, variables: Mapping[str, Node] | Scope) -> bool:
        """The truth of a ``when``: an expression, a boolean, or a list of them of which all must hold."""
        scope = self._scope(variables)
        if isinstance(node.value, list):
            return all(self.evaluate(condition, scope) for condition in node.value)
        value = self.expression(node, scope)
        if isinstance(value, bool):
            return value
        shown = describe(from_plain(value, node.position))
        hint = "Write a comparison, `x is defined`, `x | length > 0` or `x | bool`."
        raise ConfigError(f"this condition gives {shown}, not true or false", position=node.position, hint=hint)

    def expression(self, node: Node, variables: Mapping[str, Node] | Scope) -> Any:
        """The plain value of text that is an expression without braces. Raises ConfigError or FactsNeeded."""
        if not isinstance(node.value, str):
            return node.plain()
        return self._run(self._compile(node, expression=True), node, self._scope(variables))

    def read(self, path: Path) -> bytes:
        """The bytes of a controller's file, read once, and decrypted if need be. Raises OSError or ConfigError."""
        if path not in self._files:
            self._files[path] = self._vault.opened(path.read_bytes(), path)
        return self._files[path]

    def render_file(self, path: Path, variables: Mapping[str, Node] | Scope) -> str:
        """The text of a template file. Raises ConfigError with a place in it, FactsNeeded or OSError."""
        position, data = Position(path, 1, 1), self.read(path)
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            position = position_at(data[: error.start].decode(), path)
            hint = "Save the file as UTF-8."
            raise ConfigError("a template must be UTF-8 text", position=position, hint=hint) from error
        node = Node(text, position, text, quoted=True)
        if text.startswith("#jinja2:"):
            hint = "trim_blocks is on, lstrip_blocks is off; write {%- where you want more trimmed."
            raise ConfigError("a #jinja2: line is not supported", position=position, hint=hint)
        return str(self._run(self._compile(node, native=False), node, self._scope(variables)))

    def check_syntax(self, node: Node, *, expression: bool = False) -> None:
        """Compile every template in ``node``, so that it need not be rendered to find its mistakes."""
        for child in _children(node):
            self.check_syntax(child, expression=expression)
        if isinstance(node.value, str) and (expression or _templated(node)):
            self._compile(node, expression=expression)

    def resolve(self, node: Node, scope: Scope) -> Node:
        """``node`` with its templates rendered, places and source texts kept. Raises ConfigError or FactsNeeded."""
        if isinstance(node.value, str):
            return self._resolve_text(node, scope) if _templated(node) else node
        if isinstance(node.value, dict):
            fields = {key: self.resolve(child, scope) for key, child in node.value.items()}
            return replace(node, value={key: child for key, child in fields.items() if child.value != OMIT})
        if isinstance(node.value, list):
            items = [self.resolve(child, scope) for child in node.value]
            return replace(node, value=[item for item in items if item.value != OMIT])
        return node

    def _resolve_text(self, node: Node, scope: Scope) -> Node:
        compiled = self._compile(node)
        if compiled.name and scope.is_variable(compiled.name):
            return scope.node(compiled.name)
        return from_plain(self._run(compiled, node, scope), node.position)

    def _scope(self, variables: Mapping[str, Node] | Scope) -> Scope:
        return variables if isinstance(variables, Scope) else self.scope(variables)

    def _compile(self, node: Node, *, expression: bool = False, native: bool = True) -> _Compiled:
        text = str(node.value)
        key = (text, expression, native)
        if key not in self._compiled:
            self._compiled[key] = self._parse(text, node, expression=expression, native=native)
        return self._compiled[key]

    def _parse(self, text: str, node: Node, *, expression: bool, native: bool) -> _Compiled:
        # Two of three templates are one variable, whose node is taken as it is: nothing of them is ever run.
        alone = _NAME_ALONE.fullmatch(text) if native and not expression else None
        if alone and alone[1] not in _NO_NAMES:
            return _Compiled(partial(self._template, text, node, native=True), text, alone[1])
        try:
            if expression:
                if "{{" in text or "{%" in text:
                    hint = "Write the bare expression, without {{ }}."
                    raise ConfigError("a condition is already an expression", position=node.position, hint=hint)
                text = "{{ " + text + "\n}}"
            elif native and "\\" in text:
                text = self._literal_backslashes(text)
            template = self._template(text, node, native=native)
        except TemplateSyntaxError as error:
            raise template_errors.syntax_error(error, node, expression=expression) from error
        return _Compiled(lambda: template, text)

    def _template(self, text: str, node: Node, *, native: bool) -> Template:
        """Compiled now or in an earlier run. Raises ConfigError, and Jinja's TemplateSyntaxError."""

        def compiled() -> CodeType:
            tree = self._environment.parse(text)
            self._refuse(tree, node)
            whole = _whole_expression(tree) if native else None
            if whole is None:
                return self._environment.compile(tree)
            result = nodes.Assign(nodes.Name("result", "store", lineno=1), whole, lineno=1)
            return self._environment.compile(nodes.Template([result], lineno=1), _NATIVE)

        key = f"{_NATIVE} {text}" if native else text
        kept = self._kept.code(self._environment, node.position.file, key, compiled) if self._kept else compiled()
        return Template.from_code(self._environment, kept, self._environment.make_globals(None))

    def _uses(self, compiled: _Compiled) -> list[str]:
        """The names of the variables in a template, in their order."""
        tree = self._environment.parse(compiled.text)
        return [name.name for name in tree.find_all(nodes.Name) if name.ctx == "load"]

    def _literal_backslashes(self, text: str) -> str:
        r"""YAML has its own escapes, so those of Jinja are off within {{ }}, as in Ansible: '\1' is a group."""
        parts, inside = [], False
        for _line, kind, part in self._environment.lex(text):
            inside = kind == "variable_begin" or (inside and kind != "variable_end")
            parts.append(part.replace("\\", "\\\\") if inside and kind == "string" else part)
        return "".join(parts)

    def _refuse(self, tree: nodes.Template, node: Node) -> None:
        """Find by name what exists in Ansible or Jinja but not here; Jinja would only say "undefined"."""
        for found in tree.find_all((nodes.Name, nodes.Filter, nodes.Test, *_NEEDS_A_FILE)):
            match found:
                case nodes.Name(name=name, ctx="load") if name in _REFUSED_NAMES:
                    position = template_errors.position_of(node, name)
                    raise ConfigError(f"{name} is not supported", position=position, hint=_REFUSED_NAMES[name])
                case nodes.Filter(name=name) if name not in self._environment.filters:
                    raise template_errors.unknown("filter", name, node, self._environment.filters)
                case nodes.Test(name=name) if name not in self._environment.tests:
                    raise template_errors.unknown("test", name, node, self._environment.tests)
                case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
                    keyword = type(found).__name__.lower().replace("fromimport", "from")
                    position = template_errors.position_of_line(node, found.lineno)
                    hint = "Write its text into this template."
                    raise ConfigError(f"{{% {keyword} %}} is not supported", position=position, hint=hint)

    def _run(self, compiled: _Compiled, node: Node, scope: Scope) -> Any:
        template = compiled.template
        context = template.new_context(scope, shared=True)  # type: ignore[arg-type]  # it only looks names up
        try:
            text = "".join(template.root_render_func(context))
            return plain(context.vars["result"]) if template.name == _NATIVE else text
        except FactsNeeded:
            raise
        except ConfigError as error:
            if error.position is None:  # a filter knows a value, not where it was written
                places = (written_at(scope.node(name)) for name in self._uses(compiled) if scope.is_variable(name))
                error.position = next(places, node.position)
            raise
        except MissingName as error:
            line = template_errors.line_of(error, template)
            raise template_errors.undefined(error, node, scope, line) from error
        except Exception as error:  # a user's expression can raise whatever Python can
            raise template_errors.failed(error, node, template_errors.line_of(error, template)) from error


def written_at(node: Node) -> Position:
    """Where a value was written; of a mapping that is made of other variables, the first of them."""
    first = next(iter(node.value.values()), node) if isinstance(node.value, dict) else node
    return first.position


def _templated(node: Node) -> bool:
    """Does some text hold a template? What was encrypted never does: braces may be part of a password."""
    text = str(node.value)
    return ("{{" in text or "{%" in text or "{#" in text) and not node.ciphertext


def _children(node: Node) -> list[Node]:
    if isinstance(node.value, dict):
        return list(node.value.values())
    return node.value if isinstance(node.value, list) else []


def _whole_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The one expression that is the whole template, None where there is text around it."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output) or len(tree.body[0].nodes) != 1:
        return None
    only = tree.body[0].nodes[0]
    return None if isinstance(only, nodes.TemplateData) else only


def _finalize(value: Any) -> Any:
    """None is written as nothing, and a generator as the list it gives, as in Ansible."""
    return "" if value is None else plain(value)


def _is_defined(value: Any) -> bool:
    """A fact that is not known yet is defined all the same."""
    return not isinstance(value, Absent) or isinstance(value.because, FactsNeeded)


def _default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    if not _is_defined(value):
        return default_value
    return default_value if boolean and not value else value
