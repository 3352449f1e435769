from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

app = FastAPI()
app.mount("/static", StaticFiles(directory="dist"))


@app.get("/files")
def files() -> dict[str, list[str]]:
    return {"files": sorted(path.name for path in Path().iterdir())}
