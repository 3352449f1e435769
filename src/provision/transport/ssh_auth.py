"""Authentication in OpenSSH's order, but a named key file goes first: an agent full of keys meets MaxAuthTries."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.ssh_exception import BadAuthenticationType

from provision.errors import AuthenticationError
from provision.transport.ssh_certificates import UserCertificate, user_certificate
from provision.transport.ssh_eager import EagerTransport
from provision.transport.ssh_keys import Agent, Locked, agent_socket, certified, load, public_of
from provision.transport.ssh_passphrases import Passphrases
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

    def __init__(self, settings: Settings, passphrases: Passphrases) -> None:
        self._settings = settings
        self._passphrases = passphrases
        self._offered: set[bytes] = set()
        self._locked: dict[Path, bytes | None] = {}
        self._tried: list[str] = []
        self._troubles: list[str] = []
        self._accepted: list[str] = []
        self._banner = ""

    def authenticate(self, transport: EagerTransport) -> None:
        """Return when logged in. Raises AuthenticationError, which names all that was tried."""
        user, password = self._settings.user, self._settings.password
        with contextlib.closing(self._keys(transport)) as keys:
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

    def _attempt(self, transport: EagerTransport, name: str, login: Callable[[], list[str]]) -> bool:
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
                self._troubles.append(self._late)
        except paramiko.SSHException as error:
            self._troubles.append(f"{name}: {error}")
        # paramiko forgets the banner at the next attempt.
        self._banner += (transport.get_banner() or b"").decode("utf-8", "replace")
        return transport.is_authenticated()

    @property
    def _late(self) -> str:
        return f"it did not answer within {self._settings.timeout:g} s"

    def _keys(self, transport: EagerTransport) -> Generator[tuple[str, paramiko.PKey], None, None]:
        named = self._settings.key_files
        defaults = [path for path in map(Path.expanduser, map(Path, _DEFAULT_KEYS)) if path.exists()]
        files = named or (defaults if self._settings.default_keys else [])
        certificates = list(self._certificates(files))
        offers = partial(self._offers, certificates)
        for path in named:
            if key := self._load(path):
                yield from offers(f"key {path}", key, key.asbytes())
        # The agent may hold a named key whose file needs a passphrase; as in OpenSSH, such keys come first.
        wanted = {blob for path in files if (blob := public_of(path))}
        wanted |= {blob for each in certificates for blob in (each.blob, each.public)}
        with contextlib.ExitStack() as closing:
            for comment, blob, key in sorted(self._agent(closing), key=lambda held: held[1] not in wanted):
                if blob in wanted or not self._settings.identities_only:
                    self._locked = {path: public for path, public in self._locked.items() if public != blob}
                    yield from offers(f"agent key {comment}", key, blob)
        for path in () if named else files:
            if key := self._load(path):
                yield from offers(f"key {path}", key, key.asbytes())
        for path, public in list(self._locked.items()):
            if key := self._unlocked(transport, path, public, certificates):
                yield from offers(f"key {path}", key, key.asbytes())

    def _offers(
        self, certificates: Iterable[UserCertificate], name: str, key: paramiko.PKey, public: bytes
    ) -> Generator[tuple[str, paramiko.PKey], None, None]:
        """A key and its certificates, which go first; each once, whether it comes from a file or from the agent."""
        for each in certificates:
            if each.public == public and each.blob not in self._offered:
                self._offered.add(each.blob)
                yield f"{name} with {each.path}", certified(key, each)
        if public not in self._offered:
            self._offered.add(public)
            yield name, key

    def _certificates(self, files: Iterable[Path]) -> Generator[UserCertificate, None, None]:
        """Those that CertificateFile names; without any, the one beside each key."""
        named = self._settings.certificate_files
        for path in named or [Path(f"{path}-cert.pub") for path in files]:
            try:
                certificate = user_certificate(path)
            except OSError as error:
                if named:
                    self._troubles.append(f"{path}: {error.strerror}")
            except ValueError:
                self._troubles.append(f"{path} is not a user's certificate")
            else:
                if certificate.trouble:
                    self._troubles.append(f"{path}: {certificate.trouble}")
                yield certificate

    def _agent(self, closing: contextlib.ExitStack) -> list[tuple[str, bytes, paramiko.PKey]]:
        path = agent_socket(self._settings.identity_agent)
        if path is None:
            return []
        try:
            agent = Agent(path)
        except OSError as error:
            # The variable may be left over from an agent that is gone; a named one should be there.
            if self._settings.identity_agent:
                self._troubles.append(f"ssh-agent {path}: {error.strerror or error}")
            return []
        except paramiko.SSHException as error:
            self._troubles.append(f"ssh-agent: {error}")
            return []
        closing.callback(agent.close)
        return agent.keys()

    def _load(self, path: Path, passphrase: str | None = None) -> paramiko.PKey | None:
        try:
            return load(path, passphrase)
        except Locked:
            self._locked[path] = public_of(path)
        except OSError as error:
            self._troubles.append(f"{path}: {error.strerror}")
        except (paramiko.SSHException, ValueError, UnsupportedAlgorithm):
            self._troubles.append(f"{path} is not a private key of a supported type")
        return None

    def _unlocked(
        self, transport: EagerTransport, path: Path, public: bytes | None, certificates: list[UserCertificate]
    ) -> paramiko.PKey | None:
        """The key in a file whose passphrase was asked for, if it was, and if the host has a use for it."""
        if self._passphrases.ask is None or not transport.is_active():
            return None
        blobs = [*(each.blob for each in certificates if each.public == public), public] if public else []
        try:
            wanted = not blobs or any(transport.takes(self._settings.user, blob) for blob in blobs)
        except paramiko.AuthenticationException:
            wanted = False
            self._troubles.append(self._late)
        if not wanted:
            self._locked.pop(path)
            self._tried.append(f"key {path}")
            return None
        key: paramiko.PKey | None = self._passphrases.open(path, partial(self._load, path))
        if key:
            self._locked.pop(path)
        return key

    def _refusal(self, transport: EagerTransport) -> AuthenticationError:
        if (error := other_login(self._banner, self._settings)) is not None:
            return error
        for path in self._locked:
            self._troubles.append(f"{path} needs a passphrase: run `ssh-add {path}` first")
        tried = f"tried {', '.join(self._tried)}" if self._tried else "there was no key and no password to try"
        hint = f"see whether `{self._settings.command}` logs in; set ansible_user or ansible_ssh_private_key_file"
        if not self._tried and not transport.is_active():
            return AuthenticationError(
                f"{self._settings.where} closed the connection before anybody could log in",
                hint="it waits two minutes for that (LoginGraceTime in its sshd_config): run again",
            )
        if self._tried and not transport.is_active():
            self._troubles.append(f"it closed the connection after {len(self._tried)} of them (MaxAuthTries)")
            hint = "name the right key: ansible_ssh_private_key_file"
        if self._accepted:
            self._troubles.append(f"it accepts only {', '.join(self._accepted)}")
        return AuthenticationError(
            "; ".join([f"{self._settings.where} refused the login of {self._settings.user}", tried, *self._troubles]),
            hint=hint,
        )
