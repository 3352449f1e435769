from importlib.metadata import version

from fastapi import FastAPI

app = FastAPI()


@app.get("/version")
def own_version() -> dict[str, str]:
    return {"version": version("shelf")}
