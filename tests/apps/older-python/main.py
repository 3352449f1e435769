import platform

from fastapi import FastAPI

app = FastAPI()


@app.get("/python")
def python() -> dict[str, str]:
    return {"python": platform.python_version()}
