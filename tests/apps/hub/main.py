"""A chat room in memory: it works with one process alone."""

from __future__ import annotations

import os

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

VERSION = 1
app = FastAPI(title="hub")
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
