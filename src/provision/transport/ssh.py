"""SSH to a host. Only this and its ssh_* parts import fabric and paramiko; lean.py says how this is imported."""

from __future__ import annotations

import contextlib
import logging
import threading
from functools import partial

import paramiko

from provision.errors import ConfigError, ConnectionLost, ProvisionError, Refused, Unreachable
from provision.transport.protocol import Login
from provision.transport.ssh_dial import dial
from provision.transport.ssh_errors import ERRORS
from provision.transport.ssh_hostkeys import HostKeyPolicy
from provision.transport.ssh_passphrases import Passphrases
from provision.transport.ssh_settings import Settings, resolve
from provision.transport.ssh_stream import SshStream
from provision.transport.ssh_sudo import SUDO_TIMEOUT, RawTerminal, SudoPassword, command_line, refusal

SILENCE = 60.0
"""Seconds after which a line that answers nothing is declared dead."""


def connect(
    login: Login,
    *,
    host_keys: HostKeyPolicy,
    passphrases: Passphrases | None = None,
    silence: float = SILENCE,
) -> SshConnection:
    """Log in to a host, through its jump hosts.

    Raises Unreachable, HostKeyError, AuthenticationError; ConfigError for what ssh_config or the inventory cannot mean.
    """
    # Without a handler of its own, paramiko's every error would reach the terminal through logging's last resort.
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    settings = resolve(login)
    passphrases = passphrases or Passphrases()
    with contextlib.ExitStack() as closing:
        transport = None
        for hop in settings.jumps:
            transport = dial(hop, host_keys, passphrases, transport, closing)
        transport = dial(settings, host_keys, passphrases, transport, closing)
        return SshConnection(settings, transport, closing.pop_all(), silence)


def is_known(login: Login) -> bool:
    """Can a login, straight to the host, ask no question: is a key of it in known_hosts?"""
    try:
        settings = resolve(login)
    except ConfigError:
        return False
    return not settings.jumps and bool(settings.known_hosts.algorithms(settings.host_key_name))


class SshConnection:
    """An authenticated connection; see :class:`provision.transport.protocol.Connection`."""

    def __init__(
        self, settings: Settings, transport: paramiko.Transport, closing: contextlib.ExitStack, silence: float
    ) -> None:
        self.settings = settings
        self._transport = transport
        self._closing = closing
        self._closed = threading.Event()
        threading.Thread(target=self._watch, args=(silence,), name=f"alive {settings.name}", daemon=True).start()

    @property
    def by_key(self) -> bool:
        """Did a key let it in? Where sshd wanted a password after the key, that was the last method."""
        handler = self._transport.auth_handler
        return handler is not None and handler.auth_method == "publickey"

    def root_stream(self, command: str) -> SshStream:
        """Run ``command`` as root. May be called again, for a second process beside the first.

        Raises Unreachable where the host allows no further session, Refused where sudo's password is wrong; without a
        password, what sudo complains of is raised by the stream's first receive().
        """
        settings = self.settings
        try:
            channel = self._transport.open_session(timeout=settings.timeout)
            if settings.request_tty and settings.user != "root" and settings.become_password is None:
                return _with_terminal(channel, settings, command)
            if settings.user == "root" or settings.become_password is None:
                diagnose = partial(refusal, settings=settings)
                return SshStream(channel, settings, command_line(settings, command), diagnose)
            return _with_password(channel, settings, command)
        except ERRORS as error:
            if not self._transport.is_active():
                raise ConnectionLost(f"the connection to {settings.where} was lost") from error
            raise Unreachable(
                f"{settings.where} opens no further session: {error}", hint="see MaxSessions in its sshd_config"
            ) from error

    def close(self) -> None:
        """Close the connection and those it rides on; never raises."""
        self._closed.set()
        self._closing.close()

    def _watch(self, silence: float) -> None:
        """Close a line that has died in silence: TCP itself gives up a dead peer after 15 minutes only."""
        while not self._closed.wait(silence / 4):
            dead = threading.Timer(silence * 3 / 4, self._transport.close)
            dead.daemon = True
            dead.start()
            try:
                self._transport.global_request("keepalive@openssh.com", wait=True)
            except ERRORS:
                return
            finally:
                dead.cancel()


def _with_terminal(channel: paramiko.Channel, settings: Settings, command: str) -> SshStream:
    """For a sudo that wants one; what sudo complains of comes with the output then."""
    channel.get_pty("dumb")
    terminal = RawTerminal()
    stream = SshStream(channel, settings, terminal.command_line(command_line(settings, command)))
    try:
        # What came before would be echoed, and its bytes taken for keys.
        stream.await_marker(terminal.ready, settings.timeout)
    except TimeoutError as error:
        stream.close()
        raise Refused(f"{settings.where}: the terminal that was asked for does not answer") from error
    return stream


def _with_password(channel: paramiko.Channel, settings: Settings, command: str) -> SshStream:
    sudo = SudoPassword(settings, channel)
    stream = SshStream(channel, settings, sudo.command_line(command), sudo.refusal, sudo.watch)
    try:
        stream.await_marker(sudo.ready, SUDO_TIMEOUT)
    except ProvisionError:
        stream.close()
        raise
    except TimeoutError as error:
        stream.close()
        raise Refused(
            f"{settings.where}: sudo asked {settings.user} for something else than a password",
            log=stream.complaint().splitlines(),
            hint="allow sudo without a password for this login, or set ansible_user: root",
        ) from error
    sudo.started()
    return stream
