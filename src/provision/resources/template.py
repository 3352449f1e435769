"""``template``: a rendered template at a path of the host."""

from __future__ import annotations

from dataclasses import dataclass

from provision.resources.base import Rendered
from provision.resources.filecontent import FileContent


@dataclass(frozen=True, kw_only=True)
class Template(FileContent):
    """A regular file with the text of the template ``src``, rendered with the host's variables and facts."""

    src: Rendered

    def data(self) -> bytes:
        """The rendered text in UTF-8."""
        return self.src.text.encode()
