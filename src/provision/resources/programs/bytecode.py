"""Give a new venv the bytecode of an older one, for modules that are the same file of uv's cache in both.

Run as root by the new venv's Python: ``borrow OLD NEW``, and ``missing NEW``, which prints the modules that have none
yet. Compiling all packages anew, or only looking whether one must, costs a small machine seconds at every release,
although most releases change none of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import cache_from_source


def borrow(old: str, new: str) -> int:
    """Link what fits from the venv ``old`` into ``new``; the number of modules."""
    found = 0
    for folder, _, names in os.walk(old):
        if os.path.basename(folder) != "__pycache__":
            continue
        target = os.path.join(new, os.path.relpath(folder, old))
        for name in names:
            module = name.split(".")[0] + ".py"
            pair = [os.path.join(os.path.dirname(place), module) for place in (folder, target)]
            # A folder of bytecode alone would let a package that is gone be imported as an empty one.
            if (
                f".{sys.implementation.cache_tag}." in name
                and all(map(os.path.exists, pair))
                and os.path.samefile(*pair)
            ):
                os.makedirs(target, exist_ok=True)
                os.link(os.path.join(folder, name), os.path.join(target, name))
                found += 1
    return found


def missing(venv: str) -> Iterator[str]:
    """The modules of ``venv`` without bytecode for this Python."""
    for folder, _, names in os.walk(os.path.join(venv, "lib")):
        for name in names:
            module = os.path.join(folder, name)
            if name.endswith(".py") and not os.path.exists(cache_from_source(module)):
                yield module


if __name__ == "__main__":
    if sys.argv[1] == "borrow":
        borrow(*sys.argv[2:])
    else:
        sys.stdout.writelines(f"{module}\n" for module in missing(sys.argv[2]))
