"""What is asked on a terminal in the middle of a run. Questions go to standard error, as those of `ssh` do."""

from __future__ import annotations

import select
import sys
import threading
from typing import TYPE_CHECKING

import click

from provision.errors import ConfigError, Interrupted
from provision.report import Report

if TYPE_CHECKING:
    from provision.transport.ssh_hostkeys import HostKey


def can_ask() -> bool:
    """Is there somebody to ask?"""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def ask_become_password() -> str:
    """Ansible's question for the password of sudo; the answer is not shown. Raises ConfigError off a terminal."""
    if not can_ask():
        raise ConfigError(
            "--ask-become-pass asks on a terminal, and this is none", hint="Set ansible_become_password instead."
        )
    return str(click.prompt("BECOME password", hide_input=True, err=True))


def ask_about_key(key: HostKey, *, report: Report, stopping: threading.Event) -> bool:
    """Is ``key`` the right one? Asked in OpenSSH's words. Raises Interrupted at Ctrl-C."""
    with report.pause():
        sys.stderr.write(key.question)
        while (meant := key.answer(_line(stopping))) is None:
            sys.stderr.write("Please type 'yes', 'no' or the fingerprint: ")
        return meant


def _line(stopping: threading.Event) -> str:
    """One line of standard input. A signal reaches the main thread only, so this one looks for it by itself."""
    sys.stderr.flush()
    while not stopping.is_set():
        if select.select([sys.stdin], [], [], 0.1)[0]:
            # At the end of input there is no answer: that is no.
            return sys.stdin.readline() or "no"
    sys.stderr.write("\n")
    raise Interrupted("stopped at the question about the host's key")
