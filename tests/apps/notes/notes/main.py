"""The pages and the API."""

import os
from datetime import date
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from notes import __version__
from notes.database import Note, open_session
from notes.settings import settings

app = FastAPI(title=settings.app_title, version=__version__)
templates = Jinja2Templates(Path(__file__).with_name("templates"))

DatabaseSession = Annotated[Session, Depends(open_session)]


class NewNote(BaseModel):
    text: str = Field(min_length=1, max_length=1000)


class StoredNote(NewNote):
    model_config = ConfigDict(from_attributes=True)

    id: int
    written_on: date | None


def newest(session: Session) -> list[Note]:
    return list(session.scalars(select(Note).order_by(Note.id.desc()).limit(100)))


def save(session: Session, new: NewNote) -> Note:
    note = Note(text=new.text)
    session.add(note)
    session.commit()
    return note


@app.get("/", response_class=HTMLResponse, include_in_schema=False)
def show_page(request: Request, session: DatabaseSession) -> HTMLResponse:
    context = {"title": settings.app_title, "version": __version__, "worker": os.getpid(), "notes": newest(session)}
    return templates.TemplateResponse(request, "index.html", context)


@app.post("/notes", include_in_schema=False)
def add_from_page(new: Annotated[NewNote, Form()], session: DatabaseSession) -> RedirectResponse:
    save(session, new)
    return RedirectResponse("/", status_code=303)


@app.get("/api/notes")
def list_notes(session: DatabaseSession) -> list[StoredNote]:
    return [StoredNote.model_validate(note) for note in newest(session)]


@app.post("/api/notes", status_code=201)
def add_note(new: NewNote, session: DatabaseSession) -> StoredNote:
    return StoredNote.model_validate(save(session, new))


@app.get("/health")
def check_health(session: DatabaseSession) -> dict[str, str | int]:
    """Healthy means: this worker answers and can read its table."""
    try:
        count = session.scalar(select(func.count()).select_from(Note)) or 0
    except SQLAlchemyError as error:
        raise HTTPException(503, f"cannot read the notes: {type(error).__name__}") from error
    return {"status": "ok", "version": __version__, "worker": os.getpid(), "notes": count}


@app.get("/version")
def show_version() -> dict[str, str]:
    return {"version": __version__}
