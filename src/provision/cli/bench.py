"""The runs of a test: plays on its host, with their events kept."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from provision.cli.failures import keep_secret
from provision.cli.hosts import Connecting
from provision.cli.interrupts import Interrupts
from provision.errors import Interrupted
from provision.events import Confidential, Event, Notice
from provision.options import Options
from provision.report import Detail, view_for
from provision.report.bench import Kept
from provision.report.spool import Spool
from provision.run import Run, given_secrets
from provision.yamlfile import Node

if TYPE_CHECKING:
    from provision.playbook import HostPlay
    from provision.transport.protocol import Login


class Runs:
    """Runs plays one after another, and returns the events of each; with ``verbose`` they are shown as they come."""

    def __init__(self, variables: Mapping[str, Node], *, verbose: bool) -> None:
        self._secrets, self._verbose = tuple(given_secrets([variables])), verbose

    def __call__(self, play: HostPlay, login: Login, options: Options) -> Sequence[Event]:
        """Run one play to its end. Raises Interrupted after Ctrl-C."""
        stopping = threading.Event()
        kept = Kept(view_for(Detail(check=options.check, verbose=True), sys.stdout) if self._verbose else None)
        connecting = Connecting(accept_new_host_keys=False, ask_become_pass=False)
        with Spool(kept) as report, contextlib.closing(connecting.connector(report, stopping)) as connector:
            keep_secret(report.masking.text)
            report(Confidential("", self._secrets))
            run = Run([(play, login)], options, report, connector)
            with Interrupts(run, report if self._verbose else _say, stopping) as interrupts:
                run.execute()
        if interrupts.received:
            raise Interrupted("stopped by a signal", hint="the host of the test is ended; start the test again")
        return kept.events


def _say(event: Event) -> None:
    """Write what Ctrl-C does. Called from a signal handler, so not by way of a buffer that may be in use."""
    if isinstance(event, Notice):
        os.write(2, f"\n{event.text}\n".encode())
