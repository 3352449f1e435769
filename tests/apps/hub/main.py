"""A chat room in memory: it works with one process alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

VERSION = 1


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Begin, but not before the file is there that WAIT_FOR names."""
    while (name := os.environ.get("WAIT_FOR")) and not Path(name).exists():
        await asyncio.sleep(0.1)
    yield


app = FastAPI(title="hub", lifespan=lifespan)
guests: set[WebSocket] = set()


@app.get("/")
def state() -> dict[str, int]:
    """Who is here, and in which process."""
    return {"version": VERSION, "guests": len(guests), "pid": os.getpid()}


@app.websocket("/room")
async def room(socket: WebSocket) -> None:
    """Say to all what one says."""
    await socket.accept()
    guests.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for guest in list(guests):
                await guest.send_text(f"{VERSION}: {text}")
    except WebSocketDisconnect:
        guests.discard(socket)
