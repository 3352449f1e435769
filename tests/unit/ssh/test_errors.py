"""Everything that paramiko or a socket can raise is one of ours, with a cause."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from paramiko import ssh_exception
from paramiko.auth_strategy import AuthFailure, AuthResult, AuthSource, AuthStrategy

from provision.errors import AuthenticationError, ConfigError, HostKeyError, ProvisionError, Unreachable
from provision.transport.protocol import Login
from provision.transport.ssh_errors import ERRORS, dropped, explained
from provision.transport.ssh_settings import Settings, resolve


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("HOME", str(tmp_path))
    return resolve(Login("web1", "203.0.113.10", port=22, timeout=3))


class Strategy(AuthStrategy):
    def get_sources(self) -> Iterator[AuthSource]:
        return iter(())


def family(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


def example(kind: type[Exception]) -> Exception:
    key = paramiko.ECDSAKey.generate()
    arguments: dict[type[Exception], tuple[object, ...]] = {
        ssh_exception.BadAuthenticationType: ("bad", ["password"]),
        ssh_exception.BadHostKeyException: ("web1", key, key),
        ssh_exception.ChannelException: (1, "Administratively prohibited"),
        ssh_exception.NoValidConnectionsError: ({("web1", 22): ConnectionRefusedError(111, "refused")},),
        ssh_exception.PartialAuthentication: (["password"],),
        ssh_exception.ProxyCommandFailure: ("nc", "failed"),
        AuthFailure: (AuthResult(Strategy(paramiko.SSHConfig())),),
    }
    return kind(*arguments.get(kind, ("something went wrong",)))


EXPECTED: dict[type[Exception], type[ProvisionError]] = {
    ssh_exception.AuthenticationException: AuthenticationError,
    ssh_exception.BadHostKeyException: HostKeyError,
    ssh_exception.ConfigParseError: ConfigError,
    ssh_exception.CouldNotCanonicalize: ConfigError,
}


@pytest.mark.parametrize("kind", dict.fromkeys(family(paramiko.SSHException)))
def test_every_exception_of_paramiko(kind: type[Exception], settings: Settings) -> None:
    error = explained(example(kind), settings)
    expected = next((ours for theirs, ours in EXPECTED.items() if issubclass(kind, theirs)), Unreachable)
    assert type(error) is expected
    assert "web1" in error.message
    assert not error.message.rstrip().endswith(":")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(-2, "Name or service not known"), "cannot be resolved"),
        (UnicodeError("label empty or too long"), "cannot be resolved"),
        (TimeoutError("timed out"), "no answer within 3 s"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refuses connections on that port"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "closed the connection before the login"),
        (ConnectionAbortedError(errno.ECONNABORTED, "aborted"), "closed the connection before the login"),
        (BrokenPipeError(errno.EPIPE, "pipe"), "closed the connection before the login"),
        (EOFError(), "closed the connection before the login"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to it"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network cannot be reached"),
        (PermissionError(errno.EACCES, "denied"), "firewall"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "Cannot assign requested address"),
        (OSError("odd"), "odd"),
        (paramiko.SSHException('Indecipherable protocol version "HTTP/1.1"'), "not an SSH server"),
        (ssh_exception.IncompatiblePeer("no acceptable kex algorithm"), "no acceptable kex algorithm"),
    ],
)
def test_one_sentence_for_each_cause(error: Exception, cause: str, settings: Settings) -> None:
    assert isinstance(error, ERRORS)
    ours = explained(error, settings)
    assert type(ours) is Unreachable
    assert ours.message.startswith("web1 (203.0.113.10 port 22) cannot be reached: ")
    assert cause in ours.message


@pytest.mark.parametrize("kind", [kind for kind in family(OSError) if kind.__module__ in ("builtins", "socket")])
def test_every_error_of_the_operating_system_is_unreachable(kind: type[OSError], settings: Settings) -> None:
    error = OSError.__new__(kind, errno.EIO, "x")
    assert isinstance(explained(error, settings), Unreachable)


def wrapped(inner: Exception) -> paramiko.SSHException:
    """As paramiko reports whatever kept it from reading the banner."""
    try:
        try:
            raise inner
        except Exception as error:
            raise paramiko.SSHException("Error reading SSH protocol banner" + str(error))  # noqa: B904
    except paramiko.SSHException as error:
        return error


def test_a_cut_line_and_a_silent_one_differ(settings: Settings) -> None:
    assert dropped(wrapped(EOFError()))
    assert dropped(wrapped(ConnectionResetError(errno.ECONNRESET, "reset")))
    assert not dropped(wrapped(TimeoutError()))
    assert "did not speak SSH within 3 s" in explained(wrapped(TimeoutError()), settings).message
    assert "closed the connection" in explained(wrapped(EOFError()), settings).message


def test_our_own_errors_pass_unchanged(settings: Settings) -> None:
    error = HostKeyError("changed")
    assert explained(error, settings) is error
