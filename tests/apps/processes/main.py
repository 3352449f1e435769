"""An app with a queue in a folder and a worker that empties it, in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI

QUEUE = Path(os.environ["STATE_DIRECTORY"], "queue")
VERSION = 1
app = FastAPI(title="processes")


@app.put("/jobs/{name}")
def add(name: str) -> None:
    """Put a job into the queue."""
    QUEUE.mkdir(exist_ok=True)
    (QUEUE / f"{name}.todo").touch()


@app.get("/jobs/{name}")
def result(name: str) -> dict[str, str]:
    """What the worker made of it."""
    done = QUEUE / f"{name}.done"
    return {"version": str(VERSION), "result": done.read_text() if done.exists() else ""}
