"""Writes the generated parts of docs/: `make docs`. With --check it only says which are stale, and ends with 1."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.documents.markdown import ROOT
from tests.documents.pages import pages, stale


def main(arguments: Sequence[str]) -> int:
    """Write what is stale, or with --check name it."""
    found = stale()
    for path in found:
        name = path.relative_to(ROOT)
        if "--check" in arguments:
            print(f"{name} is stale: make docs", file=sys.stderr)
        else:
            path.write_text(pages()[path], "utf-8")
            print(f"wrote {name}")
    return 1 if found and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
