"""The pieces of Markdown that the generated pages are made of."""

from __future__ import annotations

import inspect
import json
import subprocess
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def commit() -> str:
    """The work tree's commit, shortened, for a page that says what was measured; empty outside a repository."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; a column without any text is left out."""
    rows = list(rows)
    kept = [number for number, _ in enumerate(head) if any(row[number] for row in rows)]
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row[number].replace('|', chr(92) + '|') for number in kept)} |" for row in cells)


def prose(text: str | None) -> str:
    """A docstring as Markdown: its paragraphs, with single backticks."""
    paragraphs = inspect.cleandoc(text or "").replace("``", "`").split("\n\n")
    kept = [" ".join(paragraph.split()) for paragraph in paragraphs if not paragraph.startswith(">>>")]
    return "\n\n".join(textwrap.fill(paragraph, 118, break_long_words=False) for paragraph in kept)


def code(words: Iterable[object]) -> str:
    """Words as code, with commas between."""
    return ", ".join(f"`{word}`" for word in words)


def written(value: Any) -> str:
    """A default as YAML has it; nothing for a value that stands for "not given"."""
    if value is None or value == "":
        return ""
    if isinstance(value, Mapping):
        return code([json.dumps(dict(value))])
    if isinstance(value, list | tuple):
        return code([f"[{', '.join(map(str, value))}]"])
    return code([json.dumps(value) if isinstance(value, bool) else value])
