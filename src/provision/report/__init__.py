"""Events of a run -> what the user sees. The only package that prints; rich is loaded only for a live terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, TextIO

from provision.errors import ProvisionError
from provision.events import Event
from provision.report.blocks import error_block
from provision.report.lines import ansi
from provision.report.plain import Plain
from provision.report.spool import Spool, View
from provision.report.transcript import Detail, Transcript

__all__ = ["Detail", "Report", "open_report", "print_error", "view_for"]


class Report(Protocol):
    """Receives the events of a run, from any thread; the recap is printed when it is left."""

    def __call__(self, event: Event) -> None:
        """Take one event; returns at once."""

    def pause(self) -> AbstractContextManager[None]:
        """Keep the screen still while the user is asked something."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None, /
    ) -> None: ...


def open_report(detail: Detail, *, json: bool = False, out: TextIO | None = None) -> Spool:
    """The report that fits ``out`` (default standard output)."""
    return Spool(view_for(detail, out or sys.stdout, json=json))


def view_for(detail: Detail, out: TextIO, *, json: bool = False) -> View:
    """The view that fits ``out``: JSON lines, a live tree, or plain lines."""
    if json:
        from provision.report.jsonl import JsonLines

        return JsonLines(out)
    _never_fail_to_encode(out)
    color = wants_color(out)
    if not can_move_cursor(out):
        return Plain(Transcript(detail, width=width_of(out)), out, color=color)
    from rich.console import Console

    from provision.report.terminal import Terminal

    # What a TERM of fewer colours stands for knows these too; rich would take others in their place.
    console = Console(file=out, highlight=False, markup=False, emoji=False, color_system="256")
    streaming = detail.check or detail.diff or detail.verbose
    transcript = Transcript(detail, width=console.width, streaming=streaming)
    return Terminal(transcript, console, color=color)


def print_error(error: ProvisionError, *, json: bool = False, label: str = "error") -> None:
    """Print the error that ended the command as a block on standard error; with ``json`` on standard output too."""
    if json:
        from provision.report.jsonl import JsonLines

        JsonLines(sys.stdout).fail(error)
    _never_fail_to_encode(sys.stderr)
    for content in error_block(error, width=width_of(sys.stderr), label=label):
        sys.stderr.write(ansi(content, color=wants_color(sys.stderr)) + "\n")


def width_of(out: TextIO) -> int | None:
    """How many columns ``out`` has; None where it is no terminal, or one that does not say."""
    return (os.get_terminal_size(out.fileno()).columns or None) if out.isatty() else None


def wants_color(out: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """On a terminal, unless NO_COLOR (no-color.org) is set; elsewhere where FORCE_COLOR (force-color.org) is."""
    environ = os.environ if environ is None else environ
    if environ.get("NO_COLOR"):
        return False
    return bool(environ.get("FORCE_COLOR")) or (out.isatty() and environ.get("TERM") != "dumb")


def can_move_cursor(out: TextIO) -> bool:
    """Is it a terminal on which what stands there can be drawn anew?"""
    return out.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")


def _never_fail_to_encode(out: TextIO) -> None:
    if reconfigure := getattr(out, "reconfigure", None):
        reconfigure(errors="backslashreplace")
