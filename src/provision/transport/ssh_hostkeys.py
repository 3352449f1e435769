"""Host keys as OpenSSH keeps them: known_hosts is read, asked about, appended to. See sshd(8), SSH_KNOWN_HOSTS."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from provision.errors import HostKeyError

_AUTHORITY = "@cert-authority"
_SHOWN = {"ssh-ed25519": "ED25519", "ssh-rsa": "RSA", "ssh-dss": "DSA"}


@dataclass(frozen=True)
class HostKey:
    """The key a host has shown. ``host`` is its name in known_hosts: ``address``, or ``[address]:port``."""

    host: str
    algorithm: str
    """The key's type as known_hosts writes it: ``ssh-ed25519``, ``ssh-rsa``, ..."""
    blob: bytes
    certificate: bytes = b""
    """Its certificate, where the host has shown one."""

    @property
    def address(self) -> str:
        """The host's name without its port, as certificates have it."""
        return self.host[1:].rpartition("]:")[0] or self.host

    @property
    def type(self) -> str:
        """The type as `ssh` shows it: ``ED25519``."""
        return _SHOWN.get(self.algorithm, "ECDSA" if self.algorithm.startswith("ecdsa-") else self.algorithm)

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: ``SHA256:...``."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def question(self) -> str:
        """What `ssh` asks at a first contact."""
        return (
            f"The authenticity of host '{self.host}' can't be established.\n"
            f"{self.type} key fingerprint is {self.fingerprint}.\n"
            "Are you sure you want to continue connecting (yes/no/[fingerprint])? "
        )

    def answer(self, text: str) -> bool | None:
        """What a typed answer means; None where it is neither yes, no nor the fingerprint: ask again."""
        text = text.strip()
        return text == self.fingerprint or {"yes": True, "no": False}.get(text.lower())

    def __str__(self) -> str:
        return f"{self.type} {self.fingerprint}"


@dataclass(frozen=True)
class HostKeyPolicy:
    """What to do with an unknown host key; a changed or revoked one is refused under every policy.

    ``ask`` is called for one key at a time, from the thread of its host. Without it, and without ``accept_new``
    (OpenSSH's ``StrictHostKeyChecking=accept-new``), an unknown key is refused.
    """

    ask: Callable[[HostKey], bool] | None = None
    accept_new: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def check(self, key: HostKey, known: KnownHosts, *, strict: str = "ask", login: str = "") -> None:
        """Return if ``key`` is known, or is now; raise HostKeyError if not.

        ``strict`` is StrictHostKeyChecking, ``login`` the `ssh` command line of the same login, for the hint.
        """
        if known.verify(key):
            return
        with self._turn:
            # The thread of another host may have been asked about the same jump host meanwhile.
            if known.verify(key):
                return
            if not self._accepts(key, strict):
                raise HostKeyError(
                    f"the host key of {key.host} is unknown: {key}{known.about_certificate(key)}",
                    hint=f"compare the fingerprint with the host's own and run `{login or 'ssh ' + key.host}` once, "
                    "or run `provision up` with --accept-new-host-keys",
                )
            known.append(key)

    def _accepts(self, key: HostKey, strict: str) -> bool:
        if self.accept_new or strict in ("accept-new", "no", "off"):
            return True
        return strict != "yes" and self.ask is not None and self.ask(key)


class Entry(NamedTuple):
    """One line of a known_hosts file that is about the host in question."""

    file: Path
    line: int
    marker: str
    algorithm: str
    blob: bytes


@dataclass(frozen=True)
class KnownHosts:
    """The known_hosts files of one login; new keys are written to the first of ``files``, if there is one."""

    files: tuple[Path, ...]
    system_files: tuple[Path, ...] = ()
    hashed: bool = False
    """OpenSSH's HashKnownHosts."""

    def entries(self, host: str) -> list[Entry]:
        """The lines about ``host`` in all files, those of certificate authorities left out."""
        return [entry for entry in self._about(host) if entry.marker != _AUTHORITY]

    def authorities(self, host: str) -> list[Entry]:
        """The lines of the authorities whose certificates vouch for ``host``."""
        return self._marked(host, _AUTHORITY)

    def algorithms(self, host: str) -> list[str]:
        """The key types known for ``host``: asked for first, or a known host would look like an unknown one."""
        return [entry.algorithm for entry in self.entries(host) if not entry.marker]

    def verify(self, key: HostKey) -> bool:
        """True if the key is known or certified, False if its host is new. Raises HostKeyError: changed, or revoked."""
        self._refuse_revoked(key)
        if key.certificate and not self._objection(key):
            return True
        known = [entry for entry in self.entries(key.host) if not entry.marker]
        if any(entry.blob == key.blob for entry in known):
            return True
        if known:
            # A type that is not in the list counts as a change too: whoever intercepts the line chooses the type.
            same_type = next((entry for entry in known if entry.algorithm == key.algorithm), known[0])
            raise _changed(key, same_type, self.about_certificate(key))
        # As OpenSSH: a host on an unusual port may be known under its plain name.
        return key.address != key.host and any(not e.marker and e.blob == key.blob for e in self.entries(key.address))

    def about_certificate(self, key: HostKey) -> str:
        """Why no certificate vouches for ``key``, in parentheses, where one could; for messages."""
        if key.certificate:
            return f" (its certificate is of no use: {self._objection(key)})"
        named = next((f"{entry.file}:{entry.line}" for entry in self.authorities(key.host)), "")
        return f" (it shows no certificate of the @cert-authority in {named})" if named else ""

    def _objection(self, key: HostKey) -> str:
        from provision.transport.ssh_certificates import objection

        return objection(key.certificate, key.address, {entry.blob for entry in self.authorities(key.host)})

    def _refuse_revoked(self, key: HostKey) -> None:
        revoked = self._marked(key.host, "@revoked")
        shown = {key.blob}
        if revoked and key.certificate:
            from provision.transport.ssh_certificates import signer

            shown.add(signer(key.certificate))
        for entry in revoked:
            if entry.blob in shown:
                what = "is revoked" if entry.blob == key.blob else "is certified by an authority that is revoked"
                raise HostKeyError(
                    f"the host key of {key.host} {what}: {key} ({entry.file}:{entry.line})",
                    hint="give the host a new key; a revoked one may be in the hands of somebody else",
                )

    def append(self, key: HostKey) -> None:
        """Write ``key`` to the first file, as `ssh` does; the folder is made 0700, the file 0600."""
        if not self.files:
            return
        path = self.files[0]
        name = _hashed(key.host, os.urandom(20)) if self.hashed else key.host
        line = f"{name} {key.algorithm} {base64.b64encode(key.blob).decode()}\n".encode()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "ab+", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if file.seekable() and file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else b"\n" + line
                file.write(line)
        except OSError as error:
            raise HostKeyError(
                f"the host key of {key.host} cannot be written to {path}: {error.strerror}",
                hint="make the file writable, or name another with -o UserKnownHostsFile=",
            ) from error

    def _marked(self, host: str, marker: str) -> list[Entry]:
        # As OpenSSH, those for the plain name of a host on an unusual port count too.
        names = dict.fromkeys((host, HostKey(host, "", b"").address))
        return [entry for name in names for entry in self._about(name) if entry.marker == marker]

    def _about(self, host: str) -> Iterator[Entry]:
        host = host.lower()
        for path in (*self.files, *self.system_files):
            try:
                lines = path.read_text("utf-8", "replace").splitlines()
            except OSError:
                continue
            for number, line in enumerate(lines, 1):
                words = line.split()
                if not words or words[0].startswith("#"):
                    continue
                marker = words.pop(0) if words[0].startswith("@") else ""
                if len(words) >= 3 and _names(words[0], host):
                    try:
                        yield Entry(path, number, marker, words[1], base64.b64decode(words[2]))
                    except binascii.Error:
                        continue


def _changed(key: HostKey, entry: Entry, note: str) -> HostKeyError:
    was = HostKey(key.host, entry.algorithm, entry.blob)
    forget = shlex.join(["ssh-keygen", "-f", str(entry.file), "-R", key.host])
    return HostKeyError(
        f"the host key of {key.host} has changed: it was {was} ({entry.file}:{entry.line}), now it is {key}{note}; "
        "the host was reinstalled, or somebody intercepts the connection",
        hint=f"compare the new fingerprint on the host's console; if it is the host's own, run `{forget}`",
    )


def _names(patterns: str, host: str) -> bool:
    """Does the first field of a line, a list of patterns or one hash, name ``host``?"""
    if patterns.startswith("|1|"):
        try:
            salt = base64.b64decode(patterns.split("|")[2])
        except (binascii.Error, IndexError):
            return False
        return hmac.compare_digest(_hashed(host, salt), patterns)
    return _matches(patterns.lower().split(","), host)


def _matches(patterns: Iterable[str], host: str) -> bool:
    found = False
    for pattern in patterns:
        # Brackets are a port's here, not a set of characters.
        if fnmatchcase(host, pattern.removeprefix("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _hashed(host: str, salt: bytes) -> str:
    digest = hmac.digest(salt, host.lower().encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
