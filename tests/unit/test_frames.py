"""Frames are cut right wherever the line happens to cut them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import ConnectionLost
from provision.transport.frames import LINE_LIMIT, Frame, FrameReader

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


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"\n", b"@", b"\n@", b"\n@" + NONCE.encode(), b" ", b"\n@0123456789abcdee facts\n"]),
    st.sampled_from(FRAMES).map(lambda frame: encode([frame])),
    st.sampled_from([b"facts", b"end\n", b"over\n", b"\r\n", b"\0" * 30, b"\xff\xfe"]),
)


@given(st.lists(PIECES, max_size=40), st.integers(1, 60))
def test_any_bytes_in_any_cuts(pieces: list[bytes], size: int) -> None:
    """What comes is frames or an error of ours, the same however it is cut, and no more is kept than is allowed."""
    data = b"".join(pieces)

    def outcome(size: int) -> list[Frame] | str:
        reader, found = FrameReader(NONCE, body=200, noise=100), []
        try:
            for start in range(0, len(data), size):
                for frame in reader.feed(data[start : start + size]):
                    assert len(frame.body) <= 200
                    found.append(frame)
                assert reader.pending <= 200 + LINE_LIMIT + len(NONCE) + size
        except ConnectionLost as error:
            return error.message.partition(":")[0]
        return found

    assert outcome(size) == outcome(1)


@pytest.mark.parametrize("cut", [1000, 65536])
def test_noise_is_dropped_as_it_comes(cut: int) -> None:
    reader = FrameReader(NONCE, noise=cut * 100)
    for _ in range(99):
        assert list(reader.feed(b"\n@0123" * (cut // 6))) == []
        assert reader.pending <= len(NONCE) + 3
    assert list(reader.feed(encode([FRAMES[0]]))) == [FRAMES[0]]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"x" * 200, "goes on saying what it was not asked for"),
        (encode([FRAMES[0]]) + b"x" * 200, "goes on saying what it was not asked for: 'xxx"),
        (encode([FRAMES[1]]) + b"x" * 300, "more than 200 bytes in one frame"),
        (encode([FRAMES[1]]) + b"x" * 300 + encode(FRAMES), "more than 200 bytes in one frame"),
        (encode([FRAMES[0]])[:-1] + b" " * (LINE_LIMIT + 1), "a line of more than"),
    ],
)
def test_what_is_too_much(data: bytes, said: str) -> None:
    with pytest.raises(ConnectionLost, match=said):
        list(FrameReader(NONCE, body=200, noise=100).feed(data))
