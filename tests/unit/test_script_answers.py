"""What hosts answer to a survey: captured, cut, garbled, invented and huge. No answer ends in a traceback."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.answers import Observed, SurveyParser
from provision.errors import HostError
from provision.resources.base import (
    Account,
    Content,
    Digest,
    Facts,
    Listing,
    Package,
    Read,
    Reading,
    Shell,
    Stat,
    Unit,
)
from provision.shell import Sh
from provision.transport.frames import Frame, FrameReader
from provision.vitals import Disk, Vitals

CAPTURED = b"""
@n facts
id=debian
id_like=
version=12
codename=bookworm
kernel=dev1.example.com x86_64
vcpus=2
memory=24683656
available=1048576
link='/usr/bin/python3' -> 'python3.11'
uid=1
time=1700000000
link='/run/provision/plan.0123456789/t1'
uid=0
time=1796000000

@n disks
9c1 262144 524288 100 200 4096 /

@n stat
/etc/hostname\0f\x00755\0root\0root\0\0/etc/os-release\0l\x00777\0root\0root\0../usr/lib/os-release\0/srv\0d\x001777\0www-data\0adm\0\0/a\nb\0p\x000\0root\0root\0\0
@n digest
49537bda8fdcc79014e829fc17bfaa20d627fb0cf69a0b4e7e63c24bead76370  /etc/hostname\0
@n listing
/etc/apt\0b\nc\0/etc/apt\0a\0
@n content
/etc/hostname\0dev1

@n content
/bin/true\0\x7fELF\xff
@n unit
LoadState=not-found
ActiveState=inactive
NeedDaemonReload=no

LoadState=loaded
ActiveState=reloading
NeedDaemonReload=no

@n package
openssh-server\tii \t1:9.2p1-2+deb12u10
half\tiU \t1.0
gone\trc \t2.0
never\tun \t

@n passwd
root:x:0:0:root,,\x0b:/root:/bin/bash

@n group
root:x:0:
adm:x:4:syslog,root
video:x:44:root

@n shell 0
a=1
b=x=y\x0c
noise

@n rc 0 1

@n shell 1

@n rc 1 124

@n over
"""
"""What Debian 12 printed, shortened, with some rarities put in."""

ASKED: dict[Read, Reading] = {
    Stat("/etc/hostname"): {"type": "file", "mode": "0755", "owner": "root", "group": "root", "target": ""},
    Stat("/etc/os-release"): {
        "type": "link",
        "mode": "0777",
        "owner": "root",
        "group": "root",
        "target": "../usr/lib/os-release",
    },
    Stat("/srv"): {"type": "directory", "mode": "1777", "owner": "www-data", "group": "adm", "target": ""},
    Stat("/a\nb"): {"type": "other", "mode": "0000", "owner": "root", "group": "root", "target": ""},
    Stat("/nope"): {"type": "absent"},
    Digest("/etc/hostname"): {"sha256": "49537bda8fdcc79014e829fc17bfaa20d627fb0cf69a0b4e7e63c24bead76370"},
    Digest("/srv"): {"sha256": ""},
    Content("/etc/hostname"): {"text": "dev1\n", "readable": "yes"},
    Content("/bin/true"): {"text": "", "readable": "no"},
    Content("/srv"): {"text": "", "readable": "no"},
    Listing("/etc/apt"): {"names": "a\nb\nc"},
    Listing("/nope"): {"names": ""},
    Unit("nope.service"): {"LoadState": "not-found", "ActiveState": "inactive", "NeedDaemonReload": "no"},
    Unit("ssh.service"): {"LoadState": "loaded", "ActiveState": "active", "NeedDaemonReload": "no"},
    Package("openssh-server"): {"status": "installed", "version": "1:9.2p1-2+deb12u10"},
    Package("half"): {"status": "half", "version": "1.0"},
    Package("gone"): {"status": "absent", "version": ""},
    Package("never"): {"status": "absent", "version": ""},
    Package("nope"): {"status": "absent", "version": ""},
    Account("passwd", "root"): {
        "exists": "yes",
        "id": "0",
        "gid": "0",
        "group": "root",
        "comment": "root,,\x0b",
        "home": "/root",
        "shell": "/bin/bash",
        "groups": "adm,video",
        "in root": "yes",
        "in adm": "yes",
        "in video": "yes",
    },
    Account("passwd", "nope"): {"exists": "no"},
    Account("group", "adm"): {"exists": "yes", "id": "4"},
    Account("group", "nope"): {"exists": "no"},
    Shell(Sh("a")): {"a": "1", "b": "x=y\x0c", "rc": "1"},
    Shell(Sh("b")): {"rc": "124"},
}


def parsed(answer: bytes) -> Observed:
    parser = SurveyParser(ASKED)
    for frame in FrameReader("n").feed(answer):
        parser(frame)
    return parser.observed()


def test_a_captured_answer() -> None:
    observed = parsed(CAPTURED)
    assert observed.readings == ASKED
    assert observed.facts == Facts(
        distribution="Debian",
        distribution_release="bookworm",
        distribution_version="12",
        os_family="Debian",
        architecture="x86_64",
        hostname="dev1",
        processor_vcpus=2,
        memtotal_mb=24105,
        python_version="3.11",
        uid=0,
    )
    disk = Disk("/", free_mb=1024, total_mb=2048, inodes_free=100, inodes_total=200, key="9c1")
    assert observed.vitals == Vitals(1796000000, 1.0, 1024, 24105, (disk,))


def test_a_silent_host_has_nothing() -> None:
    observed = parsed(b"")
    assert (observed.facts, observed.vitals) == (Facts(), Vitals())
    assert observed.readings[Stat("/srv")] == {"type": "absent"}
    assert observed.readings[Unit("ssh.service")] == {"LoadState": "not-found"}
    assert observed.readings[Shell(Sh("a"))] == {"rc": ""}


def test_a_derivative_is_of_the_family() -> None:
    facts = parsed(b"\n@n facts\nid=linuxmint\nid_like=ubuntu debian\n\n@n over\n").facts
    assert (facts.distribution, facts.os_family) == ("Linuxmint", "Debian")
    assert parsed(b"\n@n facts\nid=fedora\n\n@n over\n").facts.os_family == "fedora"


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (b"uid=0\n", b"uid=root\n", "the fact uid is 'root'"),
        (b"vcpus=2\n", b"vcpus=-2\n", "the fact vcpus"),
        (b"memory=24683656\n", b"memory=" + b"9" * 5000 + b"\n", "the fact memory is '9{59}, which"),
        (b"vcpus=2\n", "vcpus=²\n".encode(), "the fact vcpus"),
        (b"adm\0\0/a\nb\0p\x000\0root\0root\0\0", b"adm\0\0/a\nb\0p\x000\0ro", "stat ends in the middle"),
        (b"f\x00755\0root\0", b"f\x00755\0", "stat ends in the middle"),
        (b"/etc/hostname\0\n@n listing", b"/etc/host\n@n listing", "digest ends in the middle"),
        (b"/etc/apt\0a\0", b"/etc/apt\0", "listing ends in the middle"),
        (b"\tiU \t1.0", b" iU 1.0", "package has the line 'half iU 1.0'"),
        (b"root:x:0:0:root", b"+::", "passwd has the line"),
        (b"video:x:44:root", b"video:x", "group has the line 'video:x'"),
        (b"LoadState=loaded\nActiveState=reloading\nNeedDaemonReload=no\n", b"", "nothing of ssh.service"),
        (CAPTURED[CAPTURED.index(b"LoadState") : CAPTURED.index(b"\n@n package")], b"", "nothing of nope.service"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error_of_the_host(good: bytes, bad: bytes, said: str) -> None:
    assert CAPTURED.count(good) == 1
    with pytest.raises(HostError, match=said) as caught:
        parsed(CAPTURED.replace(good, bad))
    assert caught.value.hint


def harmless(*frames: Frame) -> None:
    """Either a reading for every read, which can be told as JSON, or an error of ours that fits on a screen."""
    parser = SurveyParser(ASKED)
    for frame in frames:
        parser(frame)
    message = ""
    try:
        observed = parser.observed()
    except HostError as error:
        message = error.message
    if message:
        assert len(message) < 200
    else:
        assert set(observed.readings) == set(ASKED)
        assert json.dumps([dict(reading) for reading in observed.readings.values()], ensure_ascii=False).encode()


def garbled(answer: bytes) -> None:
    harmless(*FrameReader("n").feed(answer))


def test_an_answer_may_end_anywhere() -> None:
    for end in range(len(CAPTURED)):
        garbled(CAPTURED[:end] + b"\n@n over\n")


def test_any_part_may_be_missing() -> None:
    parts = CAPTURED.split(b"\n@n ")
    for missing in range(1, len(parts)):
        garbled(b"\n@n ".join(parts[:missing] + parts[missing + 1 :]))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(CAPTURED)), st.integers(0, 60), st.binary(max_size=20))
def test_any_bytes_may_be_others(start: int, length: int, instead: bytes) -> None:
    garbled(CAPTURED[:start] + instead + CAPTURED[start + length :])


VERBS = (
    "facts",
    "disks",
    "stat",
    "digest",
    "listing",
    "content",
    "unit",
    "package",
    "passwd",
    "group",
    "shell",
    "rc",
    "",
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(VERBS), st.text(max_size=3), st.binary(max_size=40)), max_size=8))
def test_any_frames_may_come(frames: list[tuple[str, str, bytes]]) -> None:
    harmless(*(Frame((verb, *word.split(" ")), body) for verb, word, body in frames))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("unit", [b"\0", b"\n", b"a=b\n", b"a:b:c:d:e:f:g\n", b"\xff"])
def test_a_huge_answer_is_read_or_refused(verb: str, unit: bytes) -> None:
    harmless(Frame((verb,), unit * 50_000))
