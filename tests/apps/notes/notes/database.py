"""The table of notes. Alembic creates it; the app never does."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from sqlalchemy import Text, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from notes.settings import settings

engine = create_engine(settings.database_url, pool_pre_ping=True)


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    written_on: Mapped[date | None] = mapped_column(default=lambda: datetime.now(UTC).date())


def open_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session
