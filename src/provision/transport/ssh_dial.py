"""From resolved settings to a client that is logged in, by OpenSSH's rules instead of paramiko's defaults."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from functools import partial
from typing import IO, Any

import paramiko

from provision import __version__
from provision.errors import Unreachable
from provision.transport.prompt_socket import PromptSocket
from provision.transport.ssh_auth import Authentication
from provision.transport.ssh_certificates import SUFFIX
from provision.transport.ssh_eager import EagerTransport
from provision.transport.ssh_errors import ERRORS, dropped, explained
from provision.transport.ssh_hostkeys import HostKey, HostKeyPolicy
from provision.transport.ssh_passphrases import Passphrases
from provision.transport.ssh_settings import Settings

_PAUSES = (0.4, 1.2)
"""Seconds, on average, before a connection that was dropped before its banner is tried again."""


_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
"""Paramiko puts AES-GCM last, behind CBC. Over loopback to OpenSSH 9.2, 50 MB cost it 0.07 s of CPU to send and 0.09 s
to receive with AES-GCM, and 0.11 s and 0.16 s with aes128-ctr and hmac-sha2-256, its own choice. Its order of key
exchanges stays: a login costs 2 to 3 ms of CPU with curve25519, with or without ML-KEM, and with the NIST curves, 22 ms
with group14, 73 ms with group16; the type of the host's key makes no difference."""

_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
"""For the ciphers that need one. Those by SHA-1 and MD5 are left out, as CBC is above."""


def dial(
    settings: Settings,
    host_keys: HostKeyPolicy,
    passphrases: Passphrases,
    jump_host: paramiko.Transport | None,
    closing: contextlib.ExitStack,
) -> paramiko.Transport:
    """Connect to one host, through ``jump_host`` where there is one, and log in; ``closing`` undoes it.

    sshd drops connections at random when too many come at once (MaxStartups): those are tried again, with jitter.
    """
    for pause in (*_PAUSES, 0.0):
        with contextlib.ExitStack() as attempt:
            errors = attempt.enter_context(tempfile.TemporaryFile()) if settings.proxy_command else None
            client = paramiko.SSHClient()
            client.set_missing_host_key_policy(_Verification(settings, host_keys))
            attempt.callback(client.close)
            try:
                _connect(client, settings, passphrases, _socket(settings, jump_host, errors, attempt))
            except ERRORS as error:
                if _timed_out(client):
                    raise explained(TimeoutError(), settings) from error
                if errors and (said := _last_line(errors)):
                    raise Unreachable(f"{settings.where} cannot be reached: ProxyCommand: {said}") from error
                if pause and not errors and dropped(error) and not _greeted(client):
                    time.sleep(pause * random.uniform(0.5, 1.5))
                    continue
                raise explained(error, settings) from error
            closing.push(attempt.pop_all())
            transport = client.get_transport()
            assert transport is not None, "connect() has logged in"
            return transport
    raise AssertionError("the last attempt returns or raises")


def _connect(
    client: paramiko.SSHClient, settings: Settings, passphrases: Passphrases, sock: socket.socket | paramiko.Channel
) -> None:
    client.connect(
        settings.address,
        settings.port,
        settings.user,
        sock=sock,
        banner_timeout=settings.timeout,
        auth_timeout=settings.timeout,
        channel_timeout=settings.timeout,
        transport_factory=partial(_transport, settings),
        # paramiko calls its authenticate(), and nothing else.
        auth_strategy=Authentication(settings, passphrases),  # type: ignore[arg-type]
    )


class _Verification(paramiko.MissingHostKeyPolicy):
    """Asked about every key, since paramiko itself is given none to compare with."""

    def __init__(self, settings: Settings, policy: HostKeyPolicy) -> None:
        self._settings = settings
        self._policy = policy

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        settings = self._settings
        # paramiko keeps a certificate beside the key that it is for.
        shown_with = getattr(key, "public_blob", None)
        certificate = shown_with.key_blob if shown_with and shown_with.key_type.endswith(SUFFIX) else b""
        shown = HostKey(settings.host_key_name, key.get_name(), key.asbytes(), certificate)
        self._policy.check(shown, settings.known_hosts, strict=settings.strict, login=settings.command)


def _transport(settings: Settings, sock: socket.socket, **options: Any) -> paramiko.Transport:
    transport = EagerTransport(sock, **options)
    transport.handshake_timeout = settings.timeout
    # What sshd writes into its log of who was there.
    transport.local_version = f"SSH-2.0-provision_{__version__}"
    known = settings.known_hosts.algorithms(settings.host_key_name)
    if "ssh-rsa" in known:
        known += ["rsa-sha2-512", "rsa-sha2-256"]
    security = transport.get_security_options()
    security.ciphers = [name for name in _CIPHERS if name in security.ciphers]
    security.digests = [name for name in _MACS if name in security.digests]
    plain = sorted(security.key_types, key=lambda name: name not in known)
    # A host that has a certificate shows nothing else, once it is asked for: only where an authority is known.
    authorities = settings.known_hosts.authorities(settings.host_key_name)
    transport.host_key_algorithms = (*(name + SUFFIX for name in plain if authorities), *plain)
    return transport


def _socket(
    settings: Settings, jump_host: paramiko.Transport | None, errors: IO[bytes] | None, closing: contextlib.ExitStack
) -> socket.socket | paramiko.Channel:
    if jump_host:
        from provision.transport.ssh_jump import way_through

        return way_through(jump_host, settings.address, settings.port)
    if settings.proxy_command:
        return _proxy(settings.proxy_command, errors, closing)
    # For text that is no ASCII, and for that only, Python needs its codec of international names: 4 ms to load.
    address: Any = settings.address.encode() if settings.address.isascii() else settings.address
    sock = PromptSocket(socket.create_connection((address, settings.port), timeout=settings.timeout))
    closing.callback(sock.close)
    return sock


def _proxy(command: str, errors: IO[bytes] | None, closing: contextlib.ExitStack) -> socket.socket:
    """ProxyCommand as OpenSSH runs it: by a shell, one socket as its input and output.

    In a session of its own, since Ctrl-C must not cut the line of a running step.
    """
    ours, theirs = socket.socketpair()
    closing.callback(ours.close)
    with theirs:
        end = theirs.fileno()
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"], stdin=end, stdout=end, stderr=errors, start_new_session=True
        )
    closing.callback(_end, process)
    return ours


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
            return


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read(65536).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _timed_out(client: paramiko.SSHClient) -> bool:
    """Did the key exchange run out of time? paramiko raises the EOFError of a closed line then."""
    transport = client.get_transport()
    if transport is None:
        return False
    expired: bool = transport.packetizer.handshake_timed_out()
    # Stops the timer, whose thread would keep this process from ending.
    transport.packetizer.complete_handshake()
    return expired


def _greeted(client: paramiko.SSHClient) -> bool:
    """Did the host send its SSH banner, or did the connection never come that far?"""
    transport = client.get_transport()
    return transport is None or bool(transport.remote_version)
