"""Steps that wait for a new login, over real shells of this machine: who gets in, who does not, what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provision import script
from provision.application import Application, no_login
from provision.errors import ConnectionLost, HostError, StepFailed, Unreachable
from provision.new_login import NewLogin
from provision.plan import Item
from provision.resources.base import LoginProof, Step
from provision.shell import Sh
from provision.transport.frames import Frame
from provision.transport.local import LocalConnection
from provision.transport.protocol import Connection
from provision.transport.session import Session

PROOF = LoginProof(failure="ssh would be shut", hint="open it")
BY_KEY = LoginProof(failure="nothing was changed", hint="use a key", by_key=True)

WAIT = Sh("""\
until [ -e "$FILES.login" ]; do
    if [ -e "$FILES.no-login" ]; then exit 7; fi
    sleep 0.05
done
echo seen""")


class ByPassword(LocalConnection):
    by_key = False


def refuse() -> Connection:
    raise Unreachable("web1 cannot be reached: no answer within 10 s")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    connection = LocalConnection()
    with Session(connection, base=str(tmp_path / "run")) as session:
        session.trip({"main": b"true\nprintf '\\n@%s over\\n' \"$nonce\""}, lambda frame: None)
        yield session
    connection.close()


def apply(session: Session, connect: Callable[[], Connection], *steps: Step) -> Application:
    """The trip of these steps, as one task of the role web."""
    item = Item("web", "Shut", steps)
    applied = Application("web1", [item], lambda event: None, NewLogin(connect, session))
    session.trip(script.apply(applied.steps, audit={}, owners=applied.owners), applied)
    return applied


def test_a_step_goes_on_once_a_new_login_is_in(session: Session) -> None:
    applied = apply(session, LocalConnection, Step(Sh("echo before")), Step(WAIT, login=PROOF), Step(Sh("echo after")))
    applied.check()
    assert [item.name for item in applied.finished] == ["Shut"]


def test_a_login_that_fails_fails_the_step_at_once_and_says_why(session: Session) -> None:
    with pytest.raises(StepFailed) as caught:
        apply(session, refuse, Step(WAIT, login=PROOF, timeout=60)).check()
    assert caught.value.message == "ssh would be shut: web1 cannot be reached: no answer within 10 s"
    assert (caught.value.hint, caught.value.rc, caught.value.task) == ("open it", 7, "web : Shut")


@pytest.mark.parametrize(("connect", "in_"), [(LocalConnection, True), (ByPassword, False)])
def test_a_proof_may_want_a_key(session: Session, connect: Callable[[], Connection], in_: bool) -> None:
    applied = apply(session, connect, Step(WAIT, login=BY_KEY))
    if in_:
        applied.check()
        return
    with pytest.raises(StepFailed, match=r"^nothing was changed: a password was needed to log in$"):
        applied.check()


def test_a_login_that_cannot_become_root_is_none(session: Session) -> None:
    with pytest.raises(StepFailed, match=r"^ssh would be shut: the new login ended before it had done anything$"):
        apply(session, lambda: LocalConnection("false"), Step(WAIT, login=PROOF)).check()


def test_a_step_that_fails_by_itself_is_told_as_usual(session: Session) -> None:
    with pytest.raises(StepFailed, match=r"^ended with status 3$") as caught:
        apply(session, LocalConnection, Step(Sh("exit 3"), login=PROOF)).check()
    assert caught.value.hint == ""


def test_a_line_that_is_lost_with_the_login_is_the_same_failure() -> None:
    lost = ConnectionLost("the connection was lost")
    waiting, plain = Step(WAIT, login=PROOF), Step(Sh("true"))
    applied = Application("web1", [Item("web", "Shut", (plain, waiting))], lambda event: None, no_login)
    applied(Frame(("start", "1")))
    assert applied.cut(lost) is lost
    applied(Frame(("status", "1", "0")))
    applied(Frame(("start", "2")))
    error = applied.cut(lost)
    assert isinstance(error, HostError)
    assert error.message == "ssh would be shut: this run cannot log in anew; the line that was open is gone, too"
    assert (error.exit_code, error.hint, error.task) == (1, "open it", "web : Shut")
