"""What paramiko and sockets raise, as one of ours: one sentence for the cause, one for what to do."""

from __future__ import annotations

import errno
import os
import socket

import paramiko
from paramiko import ssh_exception

from provision.errors import AuthenticationError, ConfigError, HostKeyError, ProvisionError, Unreachable
from provision.transport.ssh_settings import Settings

ERRORS = (paramiko.SSHException, OSError, EOFError, UnicodeError)
"""All that connecting can raise; UnicodeError is what Python makes of an impossible host name."""

_NO_SSHD = "is sshd running, and is the port right (ansible_port)?"
_SILENT = "is the host up, and does a firewall let this address and port through?"
_DROPPED = "sshd takes no more logins at a time (MaxStartups), or a firewall or fail2ban blocks this address"

_ERRNO = {
    errno.EHOSTUNREACH: ("there is no route to it", "is the host up, and in a network this machine can reach?"),
    errno.ENETUNREACH: ("its network cannot be reached from here", "has this machine an address of that family?"),
    errno.EACCES: ("this machine's firewall forbids the connection", ""),
    errno.EPERM: ("this machine's firewall forbids the connection", ""),
}


def explained(error: Exception, settings: Settings) -> ProvisionError:
    """The error to raise instead of ``error``, which came up before the login was done."""
    if isinstance(error, ProvisionError):
        return error
    if isinstance(error, ssh_exception.ConfigParseError | ssh_exception.CouldNotCanonicalize):
        return ConfigError(f"{settings.name}: ssh_config: {error}")
    cause, hint = _cause(error, settings)
    kind: type[Unreachable] = Unreachable
    if isinstance(error, ssh_exception.AuthenticationException):
        kind = AuthenticationError
    elif isinstance(error, ssh_exception.BadHostKeyException):
        kind = HostKeyError
    return kind(f"{settings.where} cannot be reached: {cause}", hint=hint)


def dropped(error: Exception) -> bool:
    """Was the line cut, rather than silent? Before the banner this is how sshd's MaxStartups looks."""
    inner = error.__context__ if type(error) is paramiko.SSHException and error.__context__ else error
    return isinstance(inner, EOFError | ConnectionResetError | ConnectionAbortedError | BrokenPipeError)


def _cause(error: Exception, settings: Settings) -> tuple[str, str]:
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"the name {settings.address!r} cannot be resolved", "check the name, or set ansible_host to an address"
    if isinstance(error, ssh_exception.NoValidConnectionsError):
        return _cause(next(iter(error.errors.values())), settings)
    if dropped(error):
        return "it closed the connection before the login", _DROPPED
    if isinstance(error, OSError):
        return _socket_cause(error, settings)
    return _protocol_cause(error, settings)


def _socket_cause(error: OSError, settings: Settings) -> tuple[str, str]:
    if isinstance(error, TimeoutError):
        return f"no answer within {settings.timeout:g} s", _SILENT
    if isinstance(error, ConnectionRefusedError):
        return "it refuses connections on that port", _NO_SSHD
    number = error.errno or 0
    return _ERRNO.get(number, (os.strerror(number) if number else str(error) or type(error).__name__, ""))


def _protocol_cause(error: Exception, settings: Settings) -> tuple[str, str]:
    text = str(error)
    if isinstance(error.__context__, TimeoutError) or "No existing session" in text:
        return f"it accepts connections, but did not speak SSH within {settings.timeout:g} s", _SILENT
    if text.startswith(("Indecipherable protocol version", "Invalid SSH banner")):
        return "what listens on that port is not an SSH server", "set ansible_port"
    if isinstance(error, ssh_exception.IncompatiblePeer):
        return f"it shares no algorithm with this client: {text}", "update its OpenSSH (7.2 or later is needed)"
    if isinstance(error, ssh_exception.ChannelException):
        return f"the request was denied: {error.text}", "see MaxSessions, AllowTcpForwarding in its sshd_config"
    if isinstance(error, ssh_exception.BadHostKeyException):
        return "its host key is not the known one", ""
    return text.strip() or type(error).__name__, ""
