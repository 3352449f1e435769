"""What the environment says; every setting has a default, so the app also starts on a laptop."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings


def default_database_url() -> str:
    # systemd names the only folder the service may write to; elsewhere the current one will do.
    folder = Path(os.environ.get("STATE_DIRECTORY", "."))
    return f"sqlite:///{folder / 'notes.db'}"


class Settings(BaseSettings):
    app_title: str = "Notes"
    database_url: str = Field(default_factory=default_database_url)


settings = Settings()
