"""Takes jobs from the queue until it is told to stop, and finishes the one at hand."""

from __future__ import annotations

import os
import signal
import sys
import threading

from main import QUEUE, VERSION


def main() -> None:
    """Work until SIGTERM."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    print(f"worker of version {VERSION} with {sys.argv[1:]}", flush=True)
    QUEUE.mkdir(exist_ok=True)
    while not over.wait(0.1):
        for job in QUEUE.glob("*.todo"):
            job.with_suffix(".done").write_text(f"version {VERSION}, {os.environ['GREETING']}")
            job.unlink()
    print("worker stops", flush=True)


main()
