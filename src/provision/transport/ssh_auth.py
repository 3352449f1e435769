"""Authentication in OpenSSH's order, but a named key file goes first: an agent full of keys meets MaxAuthTries."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import BadAuthenticationType, PasswordRequiredException

from provision.errors import AuthenticationError
from provision.transport.ssh_settings import Settings

_DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")

_OTHER_LOGIN = re.compile(r'Please login as the user "?([\w.-]+)"?')


def other_login(text: str, settings: Settings) -> AuthenticationError | None:
    """The error for a cloud image that wants another login and says so; None where ``text`` says no such thing."""
    found = _OTHER_LOGIN.search(text)
    if found is None:
        return None
    said = next(line for line in text.splitlines() if found.group() in line)
    return AuthenticationError(
        f"{settings.where} refused the login of {settings.user}: {said.strip()}",
        hint=f"set ansible_user: {found.group(1)}",
    )


class Authentication:
    """One attempt to log in; ``authenticate`` is what paramiko calls once the host's key is verified."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tried: list[str] = []
        self._troubles: list[str] = []
        self._accepted: list[str] = []
        self._banner = ""

    def authenticate(self, transport: paramiko.Transport) -> None:
        """Return when logged in. Raises AuthenticationError, which names all that was tried."""
        user, password = self._settings.user, self._settings.password
        with contextlib.closing(self._keys()) as keys:
            for name, key in keys:
                if self._attempt(transport, name, partial(transport.auth_publickey, user, key)):
                    return
                if not transport.is_active() or (self._accepted and "publickey" not in self._accepted):
                    break
        if password is not None and self._attempt(
            transport, "ansible_password", partial(transport.auth_password, user, password)
        ):
            return
        raise self._refusal(transport)

    def _attempt(self, transport: paramiko.Transport, name: str, login: Callable[[], list[str]]) -> bool:
        if not transport.is_active():
            return False
        self._tried.append(name)
        try:
            # Not empty where the host wants a second factor: what it accepts for it.
            self._accepted = login()
        except BadAuthenticationType as error:
            self._accepted = error.allowed_types
        except paramiko.AuthenticationException as error:
            if "timeout" in str(error):
                self._troubles.append(f"it did not answer within {self._settings.timeout:g} s")
        except paramiko.SSHException as error:
            self._troubles.append(f"{name}: {error}")
        # paramiko forgets the banner at the next attempt.
        self._banner += (transport.get_banner() or b"").decode("utf-8", "replace")
        return transport.is_authenticated()

    def _keys(self) -> Generator[tuple[str, paramiko.PKey], None, None]:
        named = self._settings.key_files
        defaults = [path for path in map(Path.expanduser, map(Path, _DEFAULT_KEYS)) if path.exists()]
        offered = set()
        for path in named:
            if key := self._load(path):
                offered.add(key.asbytes())
                yield f"key {path}", key
        # The agent may hold a named key whose file needs a passphrase; as in OpenSSH, such keys come first.
        wanted = {blob for path in named or defaults if (blob := _public(path))}
        with contextlib.ExitStack() as closing:
            for key in sorted(self._agent(closing), key=lambda key: key.asbytes() not in wanted):
                blob = key.asbytes()
                if blob not in offered and (blob in wanted or not self._settings.identities_only):
                    offered.add(blob)
                    yield f"agent key {key.comment}", key
        for path in () if named else defaults:
            if (key := self._load(path)) and key.asbytes() not in offered:
                yield f"key {path}", key

    def _agent(self, closing: contextlib.ExitStack) -> tuple[paramiko.AgentKey, ...]:
        try:
            agent = paramiko.Agent()
        except (paramiko.SSHException, OSError) as error:
            self._troubles.append(f"ssh-agent: {error}")
            return ()
        closing.callback(agent.close)
        return agent.get_keys()

    def _load(self, path: Path) -> paramiko.PKey | None:
        try:
            return paramiko.PKey.from_path(path)
        except (PasswordRequiredException, TypeError):  # TypeError is cryptography's word for a missing passphrase.
            self._troubles.append(f"{path} needs a passphrase: run `ssh-add {path}` first")
        except OSError as error:
            self._troubles.append(f"{path}: {error.strerror}")
        except (paramiko.SSHException, ValueError, UnsupportedAlgorithm, UnknownKeyType):
            self._troubles.append(f"{path} is not a private key of a supported type")
        return None

    def _refusal(self, transport: paramiko.Transport) -> AuthenticationError:
        if (error := other_login(self._banner, self._settings)) is not None:
            return error
        tried = f"tried {', '.join(self._tried)}" if self._tried else "there was no key and no password to try"
        hint = f"see whether `{self._settings.command}` logs in; set ansible_user or ansible_ssh_private_key_file"
        if self._tried and not transport.is_active():
            self._troubles.append(f"it closed the connection after {len(self._tried)} of them (MaxAuthTries)")
            hint = "name the right key: ansible_ssh_private_key_file"
        if self._accepted:
            self._troubles.append(f"it accepts only {', '.join(self._accepted)}")
        return AuthenticationError(
            "; ".join([f"{self._settings.where} refused the login of {self._settings.user}", tried, *self._troubles]),
            hint=hint,
        )


def _public(path: Path) -> bytes | None:
    """The public key beside a private one, as the agent names it."""
    try:
        return base64.b64decode(Path(f"{path}.pub").read_text().split()[1])
    except (OSError, ValueError, IndexError, binascii.Error):
        return None
