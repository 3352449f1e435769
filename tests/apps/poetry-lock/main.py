from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

app = FastAPI()


@app.get("/installed")
def installed(name: str) -> dict[str, str]:
    try:
        return {"version": version(name)}
    except PackageNotFoundError:
        return {"version": ""}
