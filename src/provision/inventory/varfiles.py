"""group_vars/ and host_vars/ beside the inventory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from provision import yamlfile
from provision.errors import ConfigError
from provision.inventory.model import Layer
from provision.nearest import did_you_mean
from provision.vault import Vault

_EXTENSIONS = ("", ".yml", ".yaml", ".json")
"""In the order in which Ansible looks; the first that exists is the only one it reads."""


class VarFiles:
    """One of the two folders; each file in it is read at most once."""

    def __init__(self, base: Path, kind: str, vault: Vault) -> None:
        self._folder = base / kind
        self._vault = vault
        self._base = base
        self._entries = {path.name: path for path in _entries(self._folder)}

    def layers(self, name: str) -> list[Layer]:
        """The variables of the group or host ``name``, the weakest file first. Raises ConfigError."""
        candidates = [name + extension for extension in _EXTENSIONS if name + extension in self._entries]
        if not candidates:
            return []
        first = self._entries[candidates[0]]
        layers = []
        for path in _files(first) if first.is_dir() else [first]:
            if variables := _read(path, self._vault):
                layers.append(Layer(str(path.relative_to(self._base)), variables))
        return layers

    def notes(self, names: Iterable[str]) -> list[str]:
        """What lies in the folder and is not read, in words; ``names`` are the known groups or hosts."""
        notes, known = [], set(names)
        kind = self._folder.name.removesuffix("_vars")
        for path in filter(_is_variable_file, self._entries.values()):
            shown, stem = path.relative_to(self._base), _stem(path)
            if stem not in known:
                notes.append(f"{shown} is not read: there is no {kind} {stem}. {did_you_mean(stem, known)}".rstrip())
                continue
            first = next(stem + extension for extension in _EXTENSIONS if stem + extension in self._entries)
            if path.name != first:
                notes.append(f"{shown} is not read, because {shown.with_name(first)} exists")
        return notes


def _stem(path: Path) -> str:
    return path.name.removesuffix(path.suffix) if path.suffix in _EXTENSIONS else path.name


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read: {error.strerror}") from error


def _files(folder: Path) -> list[Path]:
    """The variable files under a folder as Ansible orders them: by name, folders in their place."""
    found: list[Path] = []
    for path in filter(_is_variable_file, _entries(folder)):
        if not path.is_dir():
            found.append(path)
        elif not path.suffix:
            found.extend(_files(path))
    return found


def _is_variable_file(path: Path) -> bool:
    """Neither hidden nor a backup nor of another type; a folder may be named as it likes."""
    if path.name.startswith(".") or path.name.endswith("~"):
        return False
    return path.is_dir() or path.suffix in _EXTENSIONS


def _read(path: Path, vault: Vault) -> Mapping[str, yamlfile.Node]:
    node = yamlfile.load(path, vault)
    if isinstance(node.value, dict):
        return node.value
    if node.value is None:
        return {}
    raise ConfigError(
        f"a file of variables must be a mapping, not {yamlfile.describe(node)}",
        position=node.position,
        hint="write one `name: value` per line",
    )
