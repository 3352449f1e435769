"""Counts in Redis, so that all workers and releases count together."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from redis.asyncio import Redis

redis = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await redis.ping()
    yield
    await redis.aclose()


app = FastAPI(title="Counter", lifespan=lifespan)


@app.post("/hits")
async def hit() -> dict[str, int]:
    return {"hits": await redis.incr("hits")}


@app.get("/hits")
async def show_hits() -> dict[str, int]:
    return {"hits": int(await redis.get("hits") or 0)}
