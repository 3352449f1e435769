"""The controller's files as a role names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from provision import coerce
from provision.errors import ConfigError
from provision.resources.base import LocalFile, Rendered
from provision.resources.fields import Expression
from provision.scope import Scope
from provision.source import Sources, SourceTree
from provision.templating import Templates
from provision.yamlfile import Node

T = TypeVar("T")


@dataclass(frozen=True)
class RoleFiles:
    """Finds a file in the role, in a folder of that name beside the inventory, or relative to the inventory."""

    role: Path
    inventory: Path
    templates: Templates
    scope: Scope
    sources: Sources

    def local(self, path: Node) -> LocalFile:
        """A file of ``files/``. Raises ConfigError."""
        file = self._find(path, "files")
        return self._reading(path, lambda: LocalFile(str(file), self.templates.read(file)))

    def rendered(self, path: Node) -> Rendered:
        """A template of ``templates/``. Raises ConfigError or FactsNeeded."""
        file = self._find(path, "templates")
        return self._reading(path, lambda: Rendered(str(file), self.templates.render_file(file, self.scope)))

    def tree(self, source: Node) -> SourceTree:
        """The app that a path or an ``app_tree`` names, packed once for all hosts of the run. Raises ConfigError."""
        fields = source.value if isinstance(source.value, dict) else {}
        path = fields.get("path", source)
        wanted = source.plain() if fields else coerce.text(source, "the folder of an app")
        try:
            return self.sources.tree(wanted)
        except ConfigError as error:
            raise ConfigError(error.message, position=error.position or path.position, hint=error.hint) from error

    def expression(self, node: Node) -> Expression:
        """The value of a bare expression. Raises ConfigError or FactsNeeded."""
        return Expression(node.text, self.templates.expression(node, self.scope), str(node.position))

    def _find(self, path: Node, folder: str) -> Path:
        name = coerce.text(path, "the path of a file")
        # An absolute name stands for itself in all three.
        places = [self.role / folder / name, self.inventory / folder / name, self.inventory / name]
        for place in places:
            if place.is_file():
                return place
        hint = f"Searched: {', '.join(dict.fromkeys(str(place) for place in places))}."
        raise ConfigError(f"there is no file {name}", position=path.position, hint=hint)

    def _reading(self, path: Node, read: Callable[[], T]) -> T:
        try:
            return read()
        except OSError as error:
            message = f"{error.filename} cannot be read: {error.strerror}"
            raise ConfigError(message, position=path.position) from error
