import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

PATH = os.path.join(os.environ["STATE_DIRECTORY"], "tables.db")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with sqlite3.connect(PATH) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
            time.sleep(1)  # another worker has not found it either
            database.execute("CREATE TABLE runs (id INTEGER)")
            database.execute("INSERT INTO runs VALUES (1)")
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/runs")
def runs() -> dict[str, int]:
    with sqlite3.connect(PATH) as database:
        return {"runs": database.execute("SELECT count(*) FROM runs").fetchone()[0]}
