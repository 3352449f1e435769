"""Files that are encrypted, decrypted and edited in place: whole or not at all, and seen by nobody else."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from provision.errors import ConfigError, Position, ProvisionError
from provision.vault import MARK, Vault

STDIO = "-"
"""Standard input or output, where a file may be named."""


def encrypted(name: str, vault: Vault, label: str | None) -> bytes:
    """What becomes of a file, or of standard input, when it is encrypted. Raises ConfigError."""
    data = _read(name)
    if _is_encrypted(data):
        raise ConfigError(f"{name} is encrypted already", hint=f"`provision vault edit {name}` changes it")
    return vault.encrypt(data, label).encode()


def decrypted(name: str, vault: Vault) -> bytes:
    """What a file, or standard input, holds. Raises ConfigError."""
    return vault.decrypt(_sealed(name), _start(name))


def write(name: str, data: bytes) -> None:
    """Put ``data`` in the place of a file, or on standard output. Raises ConfigError."""
    if name == STDIO:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    # A link stays one, and what it points to is replaced.
    path = Path(os.path.realpath(name))
    try:
        _replace(path, data)
    except OSError as error:
        raise ConfigError(f"cannot write {name}: {error.strerror}") from error


def edit(name: str, vault: Vault, environ: Mapping[str, str]) -> bool:
    """Let the user edit what a file holds; was it changed? Raises ProvisionError, and then the file is as it was."""
    text = _sealed(name)
    before = vault.decrypt(text, _start(name))
    editor = shlex.split(environ.get("EDITOR", "")) or ["vi"]
    with _private_folder(environ) as folder:
        file = folder / Path(name).name
        _create(file, before)
        _run_editor([*editor, str(file)])
        try:
            after = file.read_bytes()
        except OSError as error:
            raise ProvisionError(f"the editor left no file behind: {error.strerror}") from error
        if after == before:
            return False
        if _is_encrypted(after):
            raise ConfigError("what the editor wrote is encrypted itself", hint=f"{name} is as it was")
        write(name, vault.encrypt_again(after, text).encode())
    return True


def _read(name: str) -> bytes:
    if name == STDIO:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from error


def _sealed(name: str) -> str:
    data = _read(name)
    if not _is_encrypted(data):
        raise ConfigError(f"{name} is not encrypted", hint=f"`provision vault encrypt {name}` does it")
    # What is no ASCII is damage, and found as such.
    return data.decode("utf-8", "replace")


def _is_encrypted(data: bytes) -> bool:
    return data.startswith(MARK.encode())


def _start(name: str) -> Position | None:
    return None if name == STDIO else Position(Path(name), 1, 1)


def _replace(path: Path, data: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as out:
            with contextlib.suppress(OSError):  # there is none yet, or it is another's
                found = path.stat()
                os.fchown(out.fileno(), found.st_uid, found.st_gid)
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _create(file: Path, data: bytes) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)


@contextmanager
def _private_folder(environ: Mapping[str, str]) -> Iterator[Path]:
    """A folder of the user's alone, in memory where there is such a place; all in it is overwritten and removed.

    An editor that is killed, and a signal that ends this process, do not keep it from that.
    """
    places = [
        place for place in ("/dev/shm", environ.get("XDG_RUNTIME_DIR", "")) if place and os.access(place, os.W_OK)
    ]
    with _ended_by_exceptions():
        folder = Path(tempfile.mkdtemp(prefix="provision-vault-", dir=places[0] if places else None))
        try:
            yield folder
        finally:
            for file in folder.rglob("*"):
                _overwrite(file)
            shutil.rmtree(folder, ignore_errors=True)


def _overwrite(file: Path) -> None:
    with contextlib.suppress(OSError):
        if file.is_file() and not file.is_symlink():
            with file.open("r+b", buffering=0) as out:
                out.write(bytes(file.stat().st_size))
                os.fsync(out.fileno())


@contextmanager
def _ended_by_exceptions() -> Iterator[None]:
    """Signals that would end the process at once let it tidy up; Ctrl-C is the editor's while it runs."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    def ignore(number: int, frame: FrameType | None) -> None:
        """A function: what is ignored by SIG_IGN would be ignored by the editor too."""

    handlers: dict[signal.Signals, Any] = {signal.SIGTERM: end, signal.SIGHUP: end, signal.SIGINT: ignore}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run_editor(words: list[str]) -> None:
    try:
        status = subprocess.run(words, check=False).returncode
    except OSError as error:
        hint = "EDITOR of the environment names the editor"
        raise ProvisionError(f"the editor {words[0]} cannot be run: {error.strerror}", hint=hint) from error
    if status:
        how = f"with exit code {status}" if status > 0 else f"by signal {-status}"
        raise ProvisionError(f"the editor {words[0]} ended {how}", hint="the file is as it was")
