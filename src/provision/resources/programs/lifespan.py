"""Run the app's own lifespan once, before any worker does: its tables and first data are then made by one process.

Run by the build's own Python with ``PACKAGE.MODULE:VARIABLE``. Two workers that both create tables on an empty database
lose one of them, and uvicorn then stops the other.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys


async def run(target: str) -> None:
    """Start the app up and shut it down again."""
    name, _, variable = target.partition(":")
    app = getattr(importlib.import_module(name), variable.removesuffix("()"))
    if variable.endswith("()"):
        app = app()
    async with app.router.lifespan_context(app):
        pass


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    asyncio.run(run(sys.argv[1]))
