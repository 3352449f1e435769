"""``copy``: a file of the controller, or a text, at a path of the host."""

from __future__ import annotations

from dataclasses import dataclass

from provision.resources.base import LocalFile
from provision.resources.filecontent import FileContent


@dataclass(frozen=True, kw_only=True)
class Copy(FileContent):
    """A regular file with the content of ``src``, a file of the role or inventory, or with ``content`` itself."""

    src: LocalFile | None = None
    content: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.src is None) == (self.content is None):
            raise ValueError("copy takes one of src (a file) and content (a text)")

    def data(self) -> bytes:
        """The bytes of ``src``, or ``content`` in UTF-8."""
        if self.src is not None:
            return self.src.data
        return (self.content or "").encode()
