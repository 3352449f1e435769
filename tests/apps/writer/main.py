"""An app that expects to own its folder: it logs, keeps uploads and reads its settings beside its code."""

from __future__ import annotations

import logging
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request

# At import, as many an app does: a file of its own, and a folder.
logging.basicConfig(filename="error.log", level=logging.INFO)
Path("logs").mkdir(exist_ok=True)
Path("logs/started").write_text("started\n")

VERSION = 1
SETTINGS = Path("config/settings.toml").read_text()
app = FastAPI(title="writer")


@app.get("/")
def state() -> dict[str, object]:
    """What it finds in its folder."""
    return {
        "version": VERSION,
        "settings": SETTINGS,
        "banner": Path("config/banner.txt").read_text(),
        "media": {path.name: path.read_text() for path in sorted(Path("media").iterdir())},
        "log": Path("error.log").read_text(),
        "started": Path("logs/started").read_text(),
    }


@app.put("/media/{name}")
async def upload(name: str, request: Request) -> dict[str, int]:
    """Keep a file."""
    logging.error("upload of %s", name)
    return {"size": Path("media", name).write_bytes(await request.body())}


@app.put("/settings")
async def overwrite(request: Request) -> None:
    """What must not work: its settings are not its own."""
    try:
        Path("config/settings.toml").write_bytes(await request.body())
    except OSError as error:
        raise HTTPException(403, str(error)) from error
