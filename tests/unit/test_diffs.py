"""What a difference looks like to a reader: its keys, and the unified diff of a file."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from provision import diffs
from provision.plan import Verdict, compare
from provision.resources.base import (
    Account,
    Content,
    Digest,
    Facts,
    Listing,
    Package,
    Property,
    Read,
    Reading,
    Shell,
    Stat,
    Unit,
)
from provision.resources.copy import Copy
from provision.resources.file import File
from provision.shell import Sh

from .fake_host import Setting, task

MOTD = "/etc/motd"
OLD, NEW = "0" * 64, "ab" * 32


def key(prop: Property, before: str, after: str, *, no_log: bool = False) -> str:
    """The key of one property that differs."""
    diff = compare({prop: after}, {prop.read: {prop.name: before}}, Facts())
    (found,) = diffs.keys(Verdict(task(Setting(key="x"), no_log=no_log), "change", diff))
    return found


@pytest.mark.parametrize(
    ("prop", "before", "after", "shown", "hidden"),
    [
        (Stat(MOTD)["mode"], "0600", "0644", "/etc/motd: mode 0600 -> 0644", "/etc/motd: mode (secret)"),
        (Stat(MOTD)["type"], "absent", "file", "/etc/motd: type absent -> file", "/etc/motd: type (secret)"),
        (Stat(MOTD)["target"], "/a", "/b", "/etc/motd: target /a -> /b", "/etc/motd: target (secret)"),
        (Digest(MOTD)["sha256"], OLD, NEW, "/etc/motd: content", "/etc/motd: content (secret)"),
        (Content(MOTD)["text"], "old", "new", "/etc/motd: content", "/etc/motd: content (secret)"),
        (Listing("/srv")["names"], "", "a", "/srv: names none -> a", "/srv: names (secret)"),
        (Unit("a.service")["ActiveState"], "inactive", "active", "a.service: ActiveState inactive -> active", None),
        (Package("caddy")["status"], "absent", "installed", "caddy: status absent -> installed", None),
        (Account("passwd", "app")["shell"], "/bin/sh", "", "app: shell /bin/sh -> none", "app: shell (secret)"),
        (Shell(Sh("x"))["build"], OLD, NEW, "build 000000000000 -> abababababab", "build (secret)"),
        (Shell(Sh("x"))["text"], "", "y" * 61, f"text none -> {'y' * 57}...", "text (secret)"),
        (Shell(Sh("x"))["text"], "", "y" * 60, f"text none -> {'y' * 60}", "text (secret)"),
        (Shell(Sh("x"))["text"], "A" * 64, "z", f"text {'A' * 57}... -> z", "text (secret)"),
    ],
)
def test_keys_name_the_subject_and_show_no_secret(
    prop: Property, before: str, after: str, shown: str, hidden: str | None
) -> None:
    assert key(prop, before, after) == shown
    secret = key(prop, before, after, no_log=True)
    assert secret == (hidden or f"{shown.rsplit(' ', 3)[0]} (secret)")


def test_a_verdict_without_a_diff_has_no_keys() -> None:
    assert diffs.keys(Verdict(task(Setting(key="x"), when=False), "skip")) == ()


# the diff of a file


def verdict(new: str, old: str | None, *, readable: bool = True, word: str = "change", no_log: bool = False) -> Verdict:
    """A ``copy`` of ``new`` over a file that holds ``old``, or over nothing."""
    copy = Copy(dest=MOTD, content=new)
    observed: dict[Read, Reading] = {Stat(MOTD): {"type": "absent"}, Digest(MOTD): {"sha256": ""}}
    if old is not None:
        observed[Stat(MOTD)] = {"type": "file", "mode": "0644", "owner": "root", "group": "root"}
        observed[Digest(MOTD)] = {"sha256": hashlib.sha256(old.encode()).hexdigest()}
        observed[Content(MOTD)] = {"text": old, "readable": "yes"} if readable else {"text": "", "readable": "no"}
    diff = compare(copy.desired(Facts()), observed, Facts())
    return Verdict(task(copy, no_log=no_log), word, diff)


HEADER = "--- /etc/motd (now)\n+++ /etc/motd (wanted)\n"


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("a\nb\n", "a\nc\n", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"),
        (None, "a\n", "@@ -0,0 +1 @@\n+a\n"),
        ("a\n", "", "@@ -1 +0,0 @@\n-a\n"),
        ("a", "b\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n"),
        ("a\n", "a", "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n"),
        ("a\fb\n", "a\fc\n", "@@ -1 +1 @@\n-a\fb\n+a\fc\n"),
        ("a\r\n", "a\n", "@@ -1 +1 @@\n-a\r\n+a\n"),
        ("ä\u2028\n", "ö\u2028\n", "@@ -1 +1 @@\n-ä\u2028\n+ö\u2028\n"),
    ],
)
def test_the_diff_of_a_file(old: str | None, new: str, shown: str) -> None:
    assert diffs.unified(verdict(new, old)) == HEADER + shown


@pytest.mark.parametrize("word", ["change", "unknown"])
def test_a_diff_is_shown_of_what_may_change(word: str) -> None:
    assert diffs.unified(verdict("new\n", "old\n", word=word)).endswith("-old\n+new\n")


def test_a_file_that_could_not_be_read_is_not_shown_as_empty() -> None:
    shown = diffs.unified(verdict("new\n", "\0" * 10, readable=False))
    assert shown.startswith("--- /etc/motd (now; too long to show, or no text)\n+++ /etc/motd (wanted)\n")


def test_an_empty_file_is_a_text() -> None:
    assert diffs.unified(verdict("new\n", "")).startswith(HEADER)


def test_no_diff_where_there_is_none_to_show() -> None:
    same = verdict("same\n", "same\n")
    assert diffs.unified(same) == ""
    assert diffs.unified(replace(verdict("new\n", "old\n"), word="ok")) == ""
    assert diffs.unified(replace(verdict("new\n", "old\n"), diff=None, word="skip")) == ""


def test_no_diff_of_what_only_changes_its_mode() -> None:
    copy = Copy(dest=MOTD, content="same\n")
    stat: Reading = {"type": "file", "mode": "0600", "owner": "root", "group": "root"}
    digest = {"sha256": hashlib.sha256(b"same\n").hexdigest()}
    diff = compare(copy.desired(Facts()), {Stat(MOTD): stat, Digest(MOTD): digest}, Facts())
    found = Verdict(task(copy), "change", diff)
    assert diffs.keys(found) == ("/etc/motd: mode 0600 -> 0644",)
    assert diffs.unified(found) == ""


def test_no_diff_of_a_secret_of_a_binary_and_of_a_kind_without_preview() -> None:
    assert diffs.unified(verdict("hunter2\n", "hunter1\n", no_log=True)) == ""
    assert diffs.unified(verdict("x" * 70_000, "old\n")) == ""
    folder = File(path="/srv", state="directory")
    diff = compare(folder.desired(Facts()), {}, Facts())
    assert diffs.unified(Verdict(task(folder), "change", diff)) == ""
