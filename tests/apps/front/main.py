"""An app whose site does more than ask it: static files, streams, uploads, headers of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import StreamingResponse

VERSION = 1
app = FastAPI(title="front")


@app.get("/version")
async def version() -> dict[str, int]:
    """Which one answers."""
    return {"version": VERSION}


@app.get("/long")
async def long() -> dict[str, str]:
    """More than is worth compressing."""
    return {"text": "again and " * 1000}


@app.get("/own")
async def own(response: Response) -> dict[str, int]:
    """Headers that it sets itself."""
    response.headers["Referrer-Policy"] = "no-referrer"
    return {"version": VERSION}


@app.get("/busy")
async def busy(response: Response) -> dict[str, str]:
    """An error of its own."""
    response.status_code = 503
    return {"busy": "very"}


@app.post("/upload")
async def upload(request: Request) -> dict[str, int]:
    """How much came."""
    return {"size": len(await request.body())}


@app.get("/events")
async def events() -> StreamingResponse:
    """One event, and no end."""

    async def stream() -> AsyncIterator[str]:
        yield "data: 1\n\n"
        await asyncio.sleep(3600)

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.websocket("/room")
async def room(socket: WebSocket) -> None:
    """Say what one says."""
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"{VERSION}: {text}")


@app.get("/static/made")
async def made() -> dict[str, str]:
    """A path below that of the files, and no file."""
    return {"made": "by the app"}
