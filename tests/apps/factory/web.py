from importlib.metadata import version

from fastapi import FastAPI


def create_app() -> FastAPI:
    app = FastAPI()

    @app.get("/uvicorn")
    def uvicorn() -> dict[str, str]:
        return {"version": version("uvicorn")}

    return app
