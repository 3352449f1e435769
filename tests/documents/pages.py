"""Every page with a generated part."""

from __future__ import annotations

from pathlib import Path

from tests.documents.ansible import ansible_page
from tests.documents.commands import commands_page
from tests.documents.markdown import DOCS
from tests.documents.modules import modules_page
from tests.documents.roles import roles_page


def pages() -> dict[Path, str]:
    """Every page with a generated part, as it should be."""
    return {
        DOCS / "ansible.md": ansible_page(),
        DOCS / "commands.md": commands_page(),
        DOCS / "modules.md": modules_page(),
        DOCS / "roles.md": roles_page(),
    }


def stale() -> list[Path]:
    """The pages that are not what they should be."""
    return [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
