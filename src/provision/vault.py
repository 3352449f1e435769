"""Ansible Vault: opens what is encrypted, with passwords that are fetched when the first of them is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

from provision.errors import ConfigError, Position

MARK = "$ANSIBLE_VAULT"
"""What an encrypted file begins with."""

DEFAULT_LABEL = "default"
"""Ansible's label for what has none."""

HOW_TO_GIVE_PASSWORDS = "give --vault-password-file FILE, --vault-id LABEL@FILE, or --ask-vault-pass on a terminal"


class Password:
    """A password of the vault; shown nowhere, and fetched once, when it is first needed."""

    def __init__(self, label: str, fetch: Callable[[], bytes]) -> None:
        self.label = label
        self._fetch = fetch
        self._value: bytes | None = None
        self._fetching = Lock()

    def value(self) -> bytes:
        """The password itself. Raises ConfigError."""
        with self._fetching:
            if self._value is None:
                self._value = self._fetch()
            return self._value

    def __repr__(self) -> str:
        return f"Password({self.label!r})"


class Vault:
    """Opens texts with some passwords, each text once, and remembers what must not be shown."""

    def __init__(self, passwords: Iterable[Password] = ()) -> None:
        self.revealed: set[str] = set()
        """What was encrypted, as text: `!vault` values, each value of encrypted YAML, each line of other files."""
        self.files: set[Path] = set()
        """The files that were encrypted as a whole."""
        self._passwords = tuple(passwords)
        self._opened: dict[str, tuple[bytes, Password]] = {}

    def __repr__(self) -> str:
        return f"Vault({[password.label for password in self._passwords]})"

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of its passwords, in the order in which they are tried."""
        return tuple(password.label for password in self._passwords)

    def decrypt(self, text: str, position: Position | None = None) -> bytes:
        """What an encrypted text holds; ``position`` is where it stands. Raises ConfigError.

        The passwords with the label of the text are tried first, then all others, as in Ansible.
        """
        return self._open(text, position)[0]

    def reveal(self, text: str, position: Position) -> str:
        """A value that was encrypted, as text; remembered in ``revealed``. Raises ConfigError."""
        value = as_text(self.decrypt(text, position), position)
        self.remember(value)
        return value

    def opened(self, data: bytes, path: Path) -> bytes:
        """What a file of any kind holds, which may be encrypted; its lines are remembered. Raises ConfigError."""
        if not data.startswith(MARK.encode()):
            return data
        plain = self.decrypt(data.decode("utf-8", "replace"), Position(path, 1, 1))
        self.files.add(path)
        for line in plain.decode("utf-8", "replace").splitlines():
            self.remember(line.strip())
        return plain

    def remember(self, value: str) -> None:
        """Keep a value of an encrypted file in ``revealed``."""
        if value:
            self.revealed.add(value)

    def encrypt(self, data: bytes, label: str | None = None) -> str:
        """``data`` as ansible-vault writes it, with the first password of ``label`` or the only one there is.

        Raises ConfigError.
        """
        from provision import vault_format

        password = self._for_writing(label)
        return vault_format.encrypt(data, password.value(), password.label)

    def encrypt_again(self, data: bytes, text: str) -> str:
        """``data`` in place of what ``text`` holds: with its label, and the password that opens it."""
        from provision import vault_format

        return vault_format.encrypt(data, self._open(text, None)[1].value(), vault_format.unpack(text).label)

    def _open(self, text: str, position: Position | None) -> tuple[bytes, Password]:
        if text not in self._opened:
            self._opened[text] = self._try(text, position)
        return self._opened[text]

    def _try(self, text: str, position: Position | None) -> tuple[bytes, Password]:
        from provision import vault_format

        try:
            sealed = vault_format.unpack(text)
        except ValueError as error:
            message = f"this cannot be what ansible-vault wrote: {error}"
            hint = "take it from where it was written, such as an earlier commit; no line of it may be missing"
            raise ConfigError(message, position=position, hint=hint) from None
        if not self._passwords:
            message = "this is encrypted with ansible-vault, and there is no password for it"
            raise ConfigError(message, position=position, hint=HOW_TO_GIVE_PASSWORDS)
        for password in sorted(self._passwords, key=lambda one: one.label != sealed.label):
            data = vault_format.decrypt(sealed, password.value())
            if data is not None:
                return data, password
        hint = "another password wrote it, or it was damaged since"
        if sealed.label not in (DEFAULT_LABEL, *self.labels):
            hint = f"it was encrypted with a password called {sealed.label!r}; --vault-id LABEL@FILE gives one"
        message = "this is encrypted with ansible-vault, and not with a password that was given"
        raise ConfigError(message, position=position, hint=hint)

    def _for_writing(self, label: str | None) -> Password:
        if not self._passwords:
            raise ConfigError("there is no vault password to encrypt with", hint=HOW_TO_GIVE_PASSWORDS)
        fitting = [password for password in self._passwords if label in (None, password.label)]
        known = ", ".join(self.labels)
        if not fitting:
            raise ConfigError(f"no vault password has the label {label}", hint=f"there are: {known}")
        if label is None and len(fitting) > 1:
            hint = "name one by --encrypt-vault-id LABEL"
            raise ConfigError(f"there are several vault passwords to encrypt with: {known}", hint=hint)
        return fitting[0]


class Closed(Vault):
    """Takes everything encrypted for empty, for whoever needs no value and can ask for no password."""

    def decrypt(self, text: str, position: Position | None = None) -> bytes:
        """Nothing."""
        return b""


def as_text(data: bytes, position: Position | None) -> str:
    """Decrypted bytes as text. Raises ConfigError."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        # Without its cause, which quotes the bytes.
        raise ConfigError("what is encrypted here is not UTF-8 text", position=position) from None
