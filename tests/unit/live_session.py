"""This machine as a host: a session with a real root shell, whose scripts run under a shell of the test's choice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from provision import script
from provision.answers import Observed, SurveyParser
from provision.resources.base import Read, Reading
from provision.transport.frames import Frame
from provision.transport.local import LocalConnection
from provision.transport.session import Session


class Machine:
    """This machine, surveyed by one shell."""

    def __init__(self, shell: str, scratch: Path) -> None:
        self._shell = shell
        self._connection = LocalConnection(shell)
        self._session = Session(self._connection, holder="test", base=str(scratch / "run"))

    def close(self) -> None:
        """End the shell."""
        self._session.close()
        self._connection.close()

    def trip(self, files: Mapping[str, bytes], parser: SurveyParser | list[Frame]) -> None:
        """A trip whose scripts run under this shell, too, and not under the machine's sh."""
        text = files["main"].replace(b' sh "$here/', f' {self._shell} "$here/'.encode())
        files = {**files, "main": f'exec {self._shell} "$here/script"'.encode(), "script": text}
        self._session.trip(files, parser if isinstance(parser, SurveyParser) else parser.append)

    def observe(self, reads: Iterable[Read], instead: Mapping[str, str] | None = None) -> Observed:
        """Survey ``reads``, with texts of the scripts replaced by others."""
        reads = set(reads)
        files = script.survey(reads, contents=True)
        parser = SurveyParser(reads)
        self.trip({name: replaced(data, instead or {}) for name, data in files.items()}, parser)
        return parser.observed()

    def read(self, *reads: Read) -> list[Reading]:
        """What each of ``reads`` found."""
        observed = self.observe(reads).readings
        return [observed[read] for read in reads]


def replaced(data: bytes, instead: Mapping[str, str]) -> bytes:
    """``data`` with some texts in it replaced by others."""
    for old, new in instead.items():
        data = data.replace(old.encode(), new.encode())
    return data
