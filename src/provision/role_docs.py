"""What the roles say of themselves: README.md, meta/argument_specs.yml and defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provision.errors import ConfigError
from provision.resources.kinds import KINDS
from provision.role import SHIPPED, Modules, Role, load_role
from provision.vault import Vault
from provision.yamlfile import load


@dataclass(frozen=True)
class RoleDocs:
    """One role for whoever wants to use it."""

    role: Role
    summary: str
    """``short_description`` of its entry point ``main``."""
    description: str
    readme: str

    @property
    def shipped(self) -> bool:
        """Did it come with provision?"""
        return self.role.path.resolve().parent == SHIPPED.resolve()


def search_path(folder: Path) -> tuple[Path, ...]:
    """Where roles are looked for; ``folder`` is the inventory's."""
    return (folder / "roles", SHIPPED)


def role_names(search: Sequence[Path]) -> list[str]:
    """All roles there are, by name; one that hides another of its name counts once."""
    folders = (entry for folder in search if folder.is_dir() for entry in folder.iterdir())
    return sorted({entry.name for entry in folders if entry.is_dir() and not entry.name.startswith(".")})


def role_docs(name: str, search: Sequence[Path], vault: Vault | None = None) -> RoleDocs:
    """The documentation of the role ``name``. Raises ConfigError where it cannot be used."""
    role = load_role(name, search, Modules(KINDS), vault=vault)
    main = _main(role.path, vault)
    return RoleDocs(role, _prose(main.get("short_description")), _prose(main.get("description")), _readme(role.path))


def _main(path: Path, vault: Vault | None) -> Mapping[str, Any]:
    """The entry point of argument_specs.yml, which load_role has checked."""
    for file in ("argument_specs.yml", "argument_specs.yaml", "main.yml", "main.yaml"):
        if (path / "meta" / file).is_file():
            meta = load(path / "meta" / file, vault).plain() or {}
            if "argument_specs" in meta:
                return dict(meta["argument_specs"]["main"])
    return {}


def _readme(path: Path) -> str:
    try:
        return (path / "README.md").read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path / 'README.md'}: cannot be read: {error}") from error


def _prose(text: Any) -> str:
    return " ".join(" ".join(map(str, text if isinstance(text, list) else [text or ""])).split())
