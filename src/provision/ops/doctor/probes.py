"""Single looks at a host from this machine. Each ends in seconds and raises nothing."""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from provision.ops.certificates import Certificate, parse

KNOCK = 4.0
"""Seconds for a TCP connection."""
ANSWER = 8.0
"""Seconds for each part of an answer: a deployment on a small machine may hold a request for a moment."""

Key = TypeVar("Key")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Resolved:
    """The addresses of one family that a name has; ``error`` where the resolver gave no answer."""

    addresses: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Knock:
    """What came of a TCP connection to a port."""

    state: Literal["open", "refused", "silent", "unreachable"]
    own: str = ""
    """The address of this machine that it came from, where it is open."""


@dataclass(frozen=True)
class Handshake:
    """What came of a TLS handshake for a name."""

    error: str = ""
    """Why there was none."""
    protocol: str = ""
    """What ALPN agreed on."""
    certificate: Certificate | None = None
    distrust: str = ""
    """Why this machine does not trust the certificate."""


@dataclass(frozen=True)
class Reply:
    """What came of an HTTP request."""

    status: int = 0
    location: str = ""
    error: str = ""


def at_once(calls: Mapping[Key, Callable[[], Answer]], seconds: float) -> dict[Key, Answer]:
    """What ``calls`` return, each in a thread of its own; those that take longer are left out and to themselves."""
    answers: dict[Key, Answer] = {}

    def run(key: Key, call: Callable[[], Answer]) -> None:
        answers[key] = call()

    # Daemons: nobody waits for a resolver that does not answer.
    threads = [threading.Thread(target=run, args=item, name="probe", daemon=True) for item in calls.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(answers)


def resolve(name: str, family: socket.AddressFamily) -> Resolved:
    """The addresses of one family that this machine finds for a name."""
    try:
        found = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
    except socket.gaierror as error:
        # These two say that there is none; the others that nobody knows.
        none = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        return Resolved(error="" if none else (error.strerror or str(error)))
    except (OSError, UnicodeError) as error:
        return Resolved(error=str(error))
    return Resolved(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))


def knock(address: str, port: int) -> Knock:
    """Connect to a port and hang up."""
    try:
        with socket.create_connection((address, port), KNOCK) as line:
            return Knock("open", line.getsockname()[0])
    except TimeoutError:
        return Knock("silent")
    except OSError as error:
        return Knock("refused" if error.errno == errno.ECONNREFUSED else "unreachable")


def shake_hands(address: str, port: int, name: str) -> Handshake:
    """One TLS handshake, as a browser has it; a second one where the certificate is not trusted."""
    try:
        with _secure(address, port, name, ("h2", "http/1.1")) as line:
            return _seen(line)
    except ssl.SSLCertVerificationError as error:
        distrust = error.verify_message
    except (OSError, ValueError) as error:
        return Handshake(_words(error))
    try:
        with _secure(address, port, name, ("h2", "http/1.1"), trusting=True) as line:
            return _seen(line, distrust)
    except (OSError, ValueError) as error:
        return Handshake(_words(error))


def ask(address: str, port: int, name: str, path: str, *, secure: bool) -> Reply:
    """The beginning of the answer to one GET, whoever signed the certificate."""
    connection = http.client.HTTPConnection(name or address, port, timeout=ANSWER)
    try:
        with contextlib.closing(connection):
            if secure:
                connection.sock = _secure(address, port, name, ("http/1.1",), trusting=True)
            else:
                connection.sock = socket.create_connection((address, port), KNOCK)
                connection.sock.settimeout(ANSWER)
            connection.request("GET", path, headers={"User-Agent": "provision-doctor", "Connection": "close"})
            answer = connection.getresponse()
            return Reply(answer.status, answer.getheader("Location") or "")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Reply(error=_words(error))


def _secure(address: str, port: int, name: str, protocols: tuple[str, ...], *, trusting: bool = False) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    if trusting:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols))
    line = socket.create_connection((address, port), KNOCK)
    line.settimeout(ANSWER)
    try:
        return context.wrap_socket(line, server_hostname=name)
    except BaseException:
        line.close()
        raise


def _seen(line: ssl.SSLSocket, distrust: str = "") -> Handshake:
    data = line.getpeercert(binary_form=True)
    return Handshake("", line.selected_alpn_protocol() or "", parse(data) if data else None, distrust)


def _words(error: Exception) -> str:
    """What happened, without the places in OpenSSL's sources."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
