from fastapi import FastAPI
from pydantic import PostgresDsn
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    secret_key: str
    origins: list[str]
    limits: dict[str, int]
    database_url: PostgresDsn
    debug: bool
    prefix: str


settings = Settings()
app = FastAPI()


@app.get("/settings")
def show() -> Settings:
    return settings
