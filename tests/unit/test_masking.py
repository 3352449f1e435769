"""No secret is shown, whatever a host makes of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import StepFailed
from provision.events import (
    Confidential,
    Event,
    HandlerVerdict,
    HostFinished,
    HostNotReached,
    Notice,
    TaskFinished,
    TaskOutput,
    TaskStarted,
    TaskVerdict,
)
from provision.masking import SECRET, Mask
from provision.report import Detail, open_report
from provision.report.masked import Masking

MARKER = "m4rk3r / %'\" value"


def mask_of(*values: str) -> Mask:
    mask = Mask()
    mask.add(values)
    return mask


@pytest.mark.parametrize(
    ("values", "text", "shown"),
    [
        (["hunter2"], "the password is hunter2.", f"the password is {SECRET}."),
        (["hunter2", "hunter2-long"], "hunter2-long hunter2", f"{SECRET} {SECRET}"),
        (["a\nsecond line\r\nb"], "there is a second line", f"there is a {SECRET}"),
        ([MARKER], json.dumps({"x": MARKER}), f'{{"x": "{SECRET}"}}'),
        (["p@ss/word"], "postgresql://u:p%40ss%2Fword@db/x", f"postgresql://u:{SECRET}@db/x"),
        (["short"], "a short text", "a short text"),
        ([" padded1 "], "<padded1>", f"<{SECRET}>"),
        ([], "nothing", "nothing"),
        ([".*.*.*"], "a.*.*.*b", f"a{SECRET}b"),
    ],
)
def test_what_is_masked(values: list[str], text: str, shown: str) -> None:
    assert mask_of(*values)(text) == shown
    assert "hunter" not in repr(mask_of(*values))


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ("4711", "PIN=4711", f"PIN={SECRET}"),
        ("4711", "the PIN is 4711.", f"the PIN is {SECRET}."),
        ("4711", "'4711', \"4711\" (4711): 4711\n", f"'{SECRET}', \"{SECRET}\" ({SECRET}): {SECRET}\n"),
        ("p@s", "redis://:p@s@db/0 redis://:p%40s@db/0", f"redis://:{SECRET}@db/0 redis://:{SECRET}@db/0"),
        ("4711", "14711 4711a 4711_ 4711-1 1.4711 4711.5", "14711 4711a 4711_ 4711-1 1.4711 4711.5"),
        ("shop", "/srv/shop app-shop@blue shop.example.com", "/srv/shop app-shop@blue shop.example.com"),
        ("ab", "ab", "ab"),
        ("{\n  hunter2\n}", "{} hunter2", f"{{}} {SECRET}"),
        ("END\nhunter2", "END", "END"),
        ("hunter2", "hunter22", f"{SECRET}2"),
    ],
)
def test_what_is_short_is_masked_as_a_word_where_it_is_sure_to_be_secret(value: str, text: str, shown: str) -> None:
    mask = Mask()
    mask.add([value], certain=True)
    assert mask(text) == shown
    mask.add([value])
    assert mask(text) == shown, "it is still certain"


@given(st.text(min_size=6, max_size=30), st.text(max_size=40), st.data())
def test_a_secret_in_pieces_never_shows(secret: str, around: str, data: st.DataObject) -> None:
    """Output comes in pieces of any size, and leaves in pieces that together are the whole with its secrets masked."""
    whole = f"{around}{secret}{around}"
    masking = Masking()
    events: list[Event] = [Confidential("web1", (secret,))]
    events += [TaskOutput("web1", "t", piece) for piece in cut(whole, data)]
    shown = [out for event in [*events, TaskFinished("web1", "r", "t", "changed", 1.0)] for out in masking(event)]
    text = "".join(event.text for event in shown if isinstance(event, TaskOutput))
    assert text == mask_of(secret)(whole)
    assert isinstance(shown[-1], TaskFinished)


@given(st.text("abc1-", min_size=3, max_size=5), st.text("abc1- \n", max_size=8), st.data())
def test_a_short_secret_in_pieces_never_shows(secret: str, around: str, data: st.DataObject) -> None:
    """A piece that ends in the middle of a longer word may lose more than it must."""
    mask, masking = Mask(), Masking()
    mask.add([secret], certain=True)
    events: list[Event] = [Confidential("web1", (secret,), certain=True)]
    events += [TaskOutput("web1", "t", piece) for piece in cut(f"{around} {secret} {around}", data)]
    shown = [out for event in [*events, TaskFinished("web1", "r", "t", "changed", 1.0)] for out in masking(event)]
    text = "".join(event.text for event in shown if isinstance(event, TaskOutput))
    assert SECRET in text
    assert mask(text) == text


def cut(whole: str, data: st.DataObject) -> list[str]:
    """A text in pieces of any size."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


def events() -> Iterable[Event]:
    yield Confidential("web1", (MARKER,))
    name = f'Write (item={{"password": "{MARKER}"}})'
    yield TaskVerdict("web1", "r", name, "change", (f"x: {MARKER} -> y",), f"+{MARKER}\n")
    yield TaskStarted("web1", "r", name)
    yield TaskOutput("web1", name, f"starting with {MARKER[:5]}")
    yield TaskOutput("web1", name, f"{MARKER[5:]}\n")
    yield TaskFinished("web1", "r", name, "failed", 1.0)
    yield HandlerVerdict("web1", "r", "Restart", f"notified by {name}")
    yield Notice("web1", f"seen: {MARKER}")
    yield HostNotReached("web2", f"web1 failed: {MARKER}")
    said, log, hint = f"the step {MARKER} failed", [f"log {MARKER}"], f"try {MARKER}"
    error = StepFailed(said, rc=1, task=f"r : {name}", log=log, hint=hint)
    yield HostFinished("web1", 1, 0, 1, 0, 2, 1.0, error=error)


@pytest.mark.parametrize("as_json", [True, False])
def test_no_report_shows_one(as_json: bool) -> None:
    out = io.StringIO()
    with open_report(Detail(diff=True, verbose=True), json=as_json, out=out) as report:
        for event in events():
            report(event)
    assert SECRET in out.getvalue()
    assert "m4rk3r" not in out.getvalue()
    assert "Confidential" not in out.getvalue()
    assert "confidential" not in out.getvalue()


def test_the_error_that_ended_a_run_is_masked_and_its_kind_stays() -> None:
    masking = Masking()
    list(masking(Confidential("", (MARKER,))))
    error = StepFailed("x", rc=3, log=[MARKER], hint=MARKER)
    shown = masking.error(error)
    assert isinstance(shown, StepFailed)
    assert (shown.rc, shown.log, shown.hint) == (3, (SECRET,), SECRET)
    assert error.hint == MARKER, "what the program goes on with is untouched"
