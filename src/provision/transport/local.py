"""A Connection to this machine through a child process: real reads and steps without ssh, for tests."""

from __future__ import annotations

import subprocess
import tempfile

from provision.errors import ConnectionLost


class LocalStream:
    """A child process as a Stream."""

    def __init__(self, argv: list[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        # A session of its own: driver.sh may end its whole process group.
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """The shell's process id, for tests that kill it."""
        return self._process.pid

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(data)
        try:
            while view:
                view = view[self._process.stdin.write(view) or 0 :]
        except (BrokenPipeError, ValueError) as error:
            raise ConnectionLost("the local shell has ended") from error

    def receive(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.read(65536) or b""

    def complaint(self) -> str:
        self._errors.seek(0)
        return self._errors.read(65536).decode("utf-8", "replace")

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait()
        self._errors.close()


class LocalConnection:
    """Runs root_stream's command with ``shell`` as the user of this process."""

    by_key = True

    def __init__(self, shell: str = "sh") -> None:
        self._shell = shell
        self.streams: list[LocalStream] = []

    def root_stream(self, command: str) -> LocalStream:
        stream = LocalStream([self._shell, "-c", command])
        self.streams.append(stream)
        return stream

    def close(self) -> None:
        for stream in self.streams:
            stream.close()
