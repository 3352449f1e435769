"""A time limit for waiting, where whatever waits cannot be told one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Watch:
    """Calls ``expire`` once, from a thread of its own, when it is armed and hears nothing for its seconds."""

    def __init__(self, expire: Callable[[], None]) -> None:
        self.expired = False
        self.seconds = 0.0
        self._expire = expire
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._closed = False
        threading.Thread(target=self._wait, name="silence", daemon=True).start()

    def arm(self, seconds: float) -> None:
        """Begin to wait."""
        with self._changed:
            self.seconds = seconds
            self._deadline = time.monotonic() + seconds
            self._changed.notify()

    def progress(self) -> None:
        """Something was heard: the seconds begin anew, where they count."""
        with self._changed:
            if self._deadline is not None:
                self._deadline = time.monotonic() + self.seconds

    def disarm(self) -> None:
        """Wait no longer."""
        with self._changed:
            self._deadline = None

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _wait(self) -> None:
        with self._changed:
            while not self._closed:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    self.expired = True
                    break
                self._changed.wait(left)
        if self.expired:
            self._expire()
