"""What a difference looks like to a reader: keys with before and after, and the unified diff of a file. Pure."""

from __future__ import annotations

import difflib
import re

from provision.masking import SECRET
from provision.plan import Verdict
from provision.resources.base import Account, Change, Content, Digest, Listing, Package, Preview, Stat, Unit


def keys(verdict: Verdict) -> tuple[str, ...]:
    """Each property that differs, as ``/etc/x: mode 0600 -> 0644``; of a ``no_log`` task only its name.

    After them what a kind has to say of the change itself, in ``remarks(diff)``.
    """
    if verdict.diff is None:
        return ()
    found = tuple(_key(change, secret=verdict.task.no_log) for change in verdict.diff.changes)
    remarks = getattr(verdict.task.resource, "remarks", None)
    return found if remarks is None or verdict.task.no_log or not found else (*found, *remarks(verdict.diff))


def _key(change: Change, *, secret: bool) -> str:
    read, name = change.property
    match read:
        case Stat(path) | Listing(path):
            subject = f"{path}: {name}"
        case Digest(path) | Content(path):
            return f"{path}: content" + (f" {SECRET}" if secret else "")
        case Unit(unit):
            subject = f"{unit}: {name}"
        case Package(package):
            subject = f"{package}: {name}"
        case Account(_, account):
            subject = f"{account}: {name}"
        case _:
            subject = name
    if secret:
        return f"{subject} {SECRET}"
    return f"{subject} {_short(change.before) or 'none'} -> {_short(change.after) or 'none'}"


def _short(text: str) -> str:
    """A digest by its first digits; a long value cut."""
    if len(text) == 64 and all(c in "0123456789abcdef" for c in text):
        return text[:12]
    return text if len(text) <= 60 else text[:57] + "..."


def unified(verdict: Verdict) -> str:
    """The unified diff of the content a task would give a file; empty where there is none to show."""
    resource = verdict.task.resource
    preview = getattr(resource, "preview", None)
    if verdict.diff is None or verdict.word not in {"change", "unknown"} or preview is None:
        return ""
    if not any(isinstance(change.property.read, Digest) for change in verdict.diff.changes):
        return ""
    shown: Preview | None = preview()
    if shown is None or verdict.task.no_log:
        return ""
    path, before = shown.read.path, verdict.diff.before(shown.read["text"])
    hidden = verdict.diff.before(Digest(path)["sha256"]) and verdict.diff.before(shown.read["readable"]) != "yes"
    now = f"{path} (now; too long to show, or no text)" if hidden else f"{path} (now)"
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(_lines(before), _lines(shown.text), now, f"{path} (wanted)")
    )


def _lines(text: str) -> list[str]:
    """Not splitlines, which ends a line at a form feed and at a lone CR, too."""
    return [line for line in re.split("(?<=\n)", text) if line]
