"""An app that says what it was given."""

from __future__ import annotations

import os
import platform
from importlib.metadata import distributions

from fastapi import FastAPI
from pydantic import BaseModel

VERSION = 1
app = FastAPI(title="mirror")


class Words(BaseModel):
    """What somebody says."""

    words: str


@app.get("/environment")
def environment() -> dict[str, str]:
    """All of it."""
    return dict(os.environ)


@app.get("/runtime")
def runtime() -> dict[str, str]:
    """The Python and the packages it runs with."""
    return {"python": platform.python_version()} | {found.name: found.version for found in distributions()}


@app.get("/version")
async def version(words: str = "") -> dict[str, object]:
    """Which one answers."""
    return {"version": VERSION, "words": words}


@app.post("/echo")
async def echo(said: Words) -> dict[str, object]:
    """The same again."""
    return {"version": VERSION, "words": said.words}
