"""Frames are cut right wherever the line happens to cut them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.transport.frames import Frame, FrameReader

NONCE = "0123456789abcdef"


def encode(frames: list[Frame]) -> bytes:
    return b"".join(b"\n@" + NONCE.encode() + b" " + " ".join(f.words).encode() + b"\n" + f.body for f in frames)


def read(data: bytes, size: int) -> list[Frame]:
    reader = FrameReader(NONCE)
    return [frame for start in range(0, len(data), size) for frame in reader.feed(data[start : start + size])]


FRAMES = [
    Frame(("session", "/run/x")),
    Frame(("facts",), b"a=1\nb=2\n"),
    Frame(("stat",), b""),
    Frame(("output", "3"), b"\n@not a frame\n@0123 nor this\n"),
    Frame(("end",)),
    Frame(("status", "3", "0")),
    Frame(("over",)),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_any_cut_gives_the_same_frames(size: int) -> None:
    assert read(encode(FRAMES), size) == FRAMES


def test_what_comes_before_the_first_frame_is_dropped() -> None:
    assert read(b"Welcome to Debian\n" + encode(FRAMES[:2] + FRAMES[-1:]), 5)[0] == FRAMES[0]


def test_a_frame_without_its_successor_is_not_complete() -> None:
    assert read(encode([FRAMES[1]]), 4) == []


@given(st.binary(max_size=300), st.integers(1, 40))
def test_a_body_may_hold_any_bytes(body: bytes, size: int) -> None:
    frames = [Frame(("content",), body), Frame(("over",))]
    assert read(encode(frames), size) == frames
