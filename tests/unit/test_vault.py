"""Ansible Vault: the format in both directions, passwords by label, and what YAML makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision import vault_format
from provision.errors import ConfigError, Position
from provision.inventory import Inventory
from provision.ops.targets import Targets
from provision.resources.base import Facts, LocalFile
from provision.templating import Templates
from provision.vault import Closed, Password, Vault
from provision.vault_passwords import password_from
from provision.yamlfile import load, parse, source_line

ANSIBLE_VAULT = Path(sys.executable).with_name("ansible-vault")
PASSWORD = "correct horse"
FILE = Path("vars.yml")
CONTENTS = {
    "text": b"shop_key: s3cret\n",
    "nothing": b"",
    "a block": b"x" * 16,
    "long": b"0123456789" * 10_000,
    "bytes": bytes(range(256)),
    "umlauts and CRLF": "Schlüssel\r\n".encode(),
}


class Counting(Password):
    """A password that counts how often it was used."""

    def __init__(self, label: str, text: str) -> None:
        super().__init__(label, text.encode)
        self.used = 0

    def value(self) -> bytes:
        self.used += 1
        return super().value()


def vault_of(**passwords: str) -> Vault:
    """A vault with passwords by label."""
    return Vault(Password(label, text.encode) for label, text in passwords.items())


OURS = vault_of(default=PASSWORD)


def ansible_vault(folder: Path, *words: str) -> bytes:
    """What the real ansible-vault prints."""
    done = subprocess.run(
        [str(ANSIBLE_VAULT), *words],
        cwd=folder,
        capture_output=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusal(action: Callable[[], object]) -> ConfigError:
    """The error that an action ends with."""
    with pytest.raises(ConfigError) as caught:
        action()
    return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a password file."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return tmp_path


@pytest.mark.parametrize("label", ["default", "prod"])
def test_what_ansible_vault_writes_is_read(label: str, folder: Path) -> None:
    """All kinds of content, with a label and without one."""
    names = [str(number) for number in range(len(CONTENTS))]
    for name, data in zip(names, CONTENTS.values(), strict=True):
        (folder / name).write_bytes(data)
    ansible_vault(folder, "encrypt", "--vault-id", f"{label}@password", *names)
    texts = [(folder / name).read_text() for name in names]
    header = "$ANSIBLE_VAULT;1.1;AES256" if label == "default" else "$ANSIBLE_VAULT;1.2;AES256;prod"
    assert {text.splitlines()[0] for text in texts} == {header}
    assert [OURS.decrypt(text) for text in texts] == list(CONTENTS.values())


@pytest.mark.parametrize("label", ["default", "prod"])
def test_ansible_vault_reads_what_is_written_here(label: str, folder: Path) -> None:
    """Down to the last byte, and by the label of the header."""
    vault = vault_of(other="wrong", **{label: PASSWORD})
    names = [str(number) for number in range(len(CONTENTS))]
    for name, data in zip(names, CONTENTS.values(), strict=True):
        (folder / name).write_text(vault.encrypt(data, label))
    ansible_vault(folder, "decrypt", "--vault-id", f"{label}@password", *names)
    assert [(folder / name).read_bytes() for name in names] == list(CONTENTS.values())


def test_both_write_the_same_text(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """With the same salt there is no difference at all."""
    (folder / "file").write_bytes(CONTENTS["long"])
    ansible_vault(folder, "encrypt", "--vault-id", "prod@password", "file")
    theirs = (folder / "file").read_text()
    salt = vault_format.unpack(theirs).salt
    monkeypatch.setattr(os, "urandom", lambda length: salt[:length])
    assert vault_of(prod=PASSWORD).encrypt(CONTENTS["long"]) == theirs


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_come_back(data: bytes) -> None:
    assert vault_of(default=PASSWORD).decrypt(OURS.encrypt(data)) == data


WHOLE = OURS.encrypt(CONTENTS["text"])


@settings(deadline=None, max_examples=200)
@given(st.integers(0, len(WHOLE)), st.integers(0, 100), st.text(max_size=8))
def test_a_damaged_text_is_an_error_or_no_damage(start: int, length: int, put: str) -> None:
    """Nothing else than the whole content ever comes out, and the error says nothing of it."""
    damaged = WHOLE[:start] + put + WHOLE[start + length :]
    place = Position(FILE, 3, 7)
    outcome: bytes | ConfigError
    try:
        outcome = vault_of(default=PASSWORD).decrypt(damaged, place)
    except ConfigError as error:
        outcome = error
    if isinstance(outcome, bytes):
        assert outcome == CONTENTS["text"]
        return
    said = f"{outcome.message} {outcome.hint}"
    assert (outcome.position, "s3cret" in said, PASSWORD in said) == (place, False, False)


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="0123456789abcdefAF\n é;", max_size=400) | st.binary(max_size=200).map(bytes.hex))
def test_anything_behind_the_header_is_an_error(rest: str) -> None:
    for text in (f"$ANSIBLE_VAULT;1.1;AES256\n{rest}", f"$ANSIBLE_VAULT;{rest}", rest):
        with pytest.raises(ConfigError):
            vault_of(default=PASSWORD).decrypt(text, Position(FILE, 1, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it does not begin with $ANSIBLE_VAULT;1.1;AES256"),
        ("$ANSIBLE_VAULT;1.0;AES\n61", "its first line does not name version 1.1 or 1.2 and AES256"),
        ("$ANSIBLE_VAULT;1.1", "its first line does not name version 1.1 or 1.2 and AES256"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6g", "it is damaged or cut"),
        (WHOLE[:-3], "it is damaged or cut"),
        (WHOLE.replace("\n", "\n61", 1), "it is damaged or cut"),
    ],
)
def test_what_is_no_vault_text(text: str, message: str) -> None:
    error = refusal(lambda: OURS.decrypt(text, Position(FILE, 2, 5)))
    assert (str(error.position), error.message) == (
        "vars.yml:2:5",
        f"this cannot be what ansible-vault wrote: {message}",
    )


def test_passwords_that_are_missing_or_wrong() -> None:
    place = Position(FILE, 1, 1)
    none = refusal(lambda: Vault().decrypt(WHOLE, place))
    assert none.message == "this is encrypted with ansible-vault, and there is no password for it"
    assert none.hint == "give --vault-password-file FILE, --vault-id LABEL@FILE, or --ask-vault-pass on a terminal"
    wrong = refusal(lambda: vault_of(default="hunter2", other="hunter3").decrypt(WHOLE, place))
    assert wrong.message == "this is encrypted with ansible-vault, and not with a password that was given"
    assert wrong.hint == "another password wrote it, or it was damaged since"
    labelled = vault_of(prod=PASSWORD).encrypt(b"x")
    unknown = refusal(lambda: vault_of(dev="hunter2").decrypt(labelled, place))
    assert unknown.hint == "it was encrypted with a password called 'prod'; --vault-id LABEL@FILE gives one"
    assert none.position == wrong.position == unknown.position == place


def test_the_label_says_which_password_is_tried_first() -> None:
    """Then all others, as the label is no part of what the HMAC covers; each text is opened once."""
    dev, prod = Counting("dev", "d"), Counting("prod", "p")
    text = vault_of(prod="p").encrypt(b"x")
    vault = Vault([dev, prod])
    assert [vault.decrypt(text), vault.decrypt(text)] == [b"x", b"x"]
    assert (dev.used, prod.used) == (0, 1)
    assert vault.decrypt(text.replace(";prod", ";dev")) == b"x"
    assert vault.decrypt(text.replace(";1.2;AES256;prod", ";1.1;AES256")) == b"x"
    assert dev.used == 2


def test_the_label_to_encrypt_with() -> None:
    two = vault_of(dev="d", prod="p")
    assert two.encrypt(b"x", "prod").startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert refusal(lambda: two.encrypt(b"x")).message == "there are several vault passwords to encrypt with: dev, prod"
    assert refusal(lambda: two.encrypt(b"x", "live")).message == "no vault password has the label live"
    assert refusal(lambda: Vault().encrypt(b"x")).message == "there is no vault password to encrypt with"
    again = two.encrypt_again(b"y", vault_of(prod="d").encrypt(b"x"))
    assert again.startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert vault_of(dev="d").decrypt(again) == b"y"


def test_no_password_is_in_a_repr() -> None:
    vault = vault_of(dev="hunter2")
    vault.decrypt(vault.encrypt(b"x"))
    assert repr(vault) == "Vault(['dev'])"
    assert repr(Password("dev", lambda: b"hunter2")) == "Password('dev')"


def tagged(name: str, value: str, vault: Vault = OURS, tag: str = "!vault") -> str:
    """A line of YAML with an encrypted value."""
    lines = vault.encrypt(value.encode()).splitlines()
    return "\n".join([f"{name}: {tag} |", *(f"          {line}" for line in lines), ""])


def test_values_in_yaml() -> None:
    """Text, whatever it looks like; what is written is kept, and the values are remembered."""
    text = tagged("a", "s3cret") + tagged("b", "0644", tag="!vault-encrypted") + "c: open\n"
    vault = vault_of(default=PASSWORD)
    node = parse(text, FILE, vault)
    assert node.plain() == {"a": "s3cret", "b": "0644", "c": "open"}
    assert vault.revealed == {"s3cret", "0644"}
    assert isinstance(node.value, dict)
    assert node.value["a"].ciphertext.startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    assert "ANSIBLE_VAULT" not in repr(node)
    assert str(node.value["b"].position) == "vars.yml:8:4"


def test_an_encrypted_file(tmp_path: Path) -> None:
    """Its lines are those of its plain text, and none of them is shown; names are no secrets, all values are."""
    file = tmp_path / "vars.yml"
    file.write_text(OURS.encrypt(f"a: s3cret\nb: [7, {{c: 'x y'}}]\nd:\n{tagged('e', 'inner')}".encode()))
    vault = vault_of(default=PASSWORD)
    node = load(file, vault)
    assert node.plain() == {"a": "s3cret", "b": [7, {"c": "x y"}], "d": None, "e": "inner"}
    assert vault.revealed == {"s3cret", "7", "x y", "inner"}
    assert vault.files == {file}
    assert str(node.keys["b"]) == f"{file}:2:1"
    assert {source_line(Position(file, line, 1)) for line in range(1, 6)} == {""}


def test_mistakes_in_an_encrypted_file() -> None:
    vault = vault_of(default=PASSWORD)
    error = refusal(lambda: parse(vault.encrypt(b"a: 1\nb: !!int s3cret\n"), FILE, vault))
    assert str(error.position) == "vars.yml:2:4"
    assert error.message.endswith("is not a valid int, in what is encrypted here")
    assert "s3cret" in vault.revealed, "the message is masked by what was revealed"
    error = refusal(lambda: parse(vault.encrypt(b"\xff\xfe"), FILE, vault))
    assert (str(error.position), error.message) == ("vars.yml:1:1", "what is encrypted here is not UTF-8 text")
    assert error.__cause__ is None


def test_a_closed_vault_needs_no_password() -> None:
    assert parse(tagged("a", "s3cret") + "b: 1\n", FILE, Closed()).plain() == {"a": "", "b": 1}
    assert parse(WHOLE, FILE, Closed()).plain() is None


BRACES = "p{{ss}}{%w{#rd"


def test_an_encrypted_value_is_no_template() -> None:
    """As in Ansible: a password may hold braces, wherever it ends up."""
    text = tagged("key", BRACES) + 'url: "https://{{ key }}@host"\nwhole: "{{ key }}"\n'
    node = parse(text, FILE, OURS)
    assert isinstance(node.value, dict)
    templates = Templates()
    templates.check_syntax(node)
    rendered = templates.render(node, node.value)
    assert rendered == {"key": BRACES, "url": f"https://{BRACES}@host", "whole": BRACES}


def test_a_password_of_a_login_is_no_template(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yml"
    lines = tagged("ansible_password", BRACES).replace("\n", "\n        ")
    file.write_text(f"all:\n  hosts:\n    web1:\n      ansible_user: '{{{{ who }}}}'\n      who: ann\n      {lines}\n")
    targets = Targets(file, vault=vault_of(default=PASSWORD))
    login = targets.login(targets.hosts[0])
    assert (login.user, login.password) == ("ann", BRACES)


def test_a_role_may_be_encrypted_too(tmp_path: Path) -> None:
    for name, text in {
        "inventory.yml": "all: {hosts: {web1: }, vars: {roles: [site]}}\n",
        "roles/site/defaults/main.yml": OURS.encrypt(b"site_key: s3cret\n"),
        "roles/site/tasks/main.yml": OURS.encrypt(b"- name: Write\n  copy: {dest: /x, src: key.pem}\n"),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "roles/site/files").mkdir()
    (tmp_path / "roles/site/files/key.pem").write_text(OURS.encrypt(b"-----BEGIN\nMII\n"))
    targets = Targets(tmp_path / "inventory.yml", vault=vault_of(default=PASSWORD))
    (role,) = targets.roles(targets.hosts[0])
    assert (role.defaults["site_key"].value, len(role.tasks)) == ("s3cret", 1)
    play = targets.play([role], targets.given(targets.hosts[0]))
    play.check()
    (task,) = play.resolve(Facts()).tasks
    assert getattr(task.resource, "src", None) == LocalFile(
        f"{tmp_path}/roles/site/files/key.pem", b"-----BEGIN\nMII\n"
    )
    assert targets.inventory.vault.revealed >= {"s3cret", "-----BEGIN", "MII"}
    error = refusal(lambda: Targets(tmp_path / "inventory.yml").roles(targets.hosts[0]))
    assert str(error.position) == f"{tmp_path}/roles/site/defaults/main.yml:1:1"


def test_files_of_variables_are_opened_once_for_all_hosts(tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text("all: {hosts: {'web[1:9]': }}\n")
    (tmp_path / "group_vars/all").mkdir(parents=True)
    (tmp_path / "group_vars/all/secrets.yml").write_text(OURS.encrypt(b"key: s3cret\n"))
    password = Counting("default", PASSWORD)
    inventory = Inventory.load(tmp_path / "inventory.yml", Vault([password]))
    assert {host.variables["key"].value for host in inventory.hosts.values()} == {"s3cret"}
    assert password.used == 1


def script(path: Path, text: str) -> Path:
    """A program."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def test_passwords_from_files_and_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Space around the text of a file does not count; of a program only the line's end does not, as in Ansible."""
    file = tmp_path / "file"
    file.write_bytes(b"  correct horse \r\n")
    assert password_from(file, "default") == b"correct horse"
    monkeypatch.chdir(tmp_path)
    script(tmp_path / "program", 'echo " $# words "')
    assert password_from(Path("program"), "prod") == b" 0 words "
    script(tmp_path / "keys-client.sh", 'echo "$*"')
    assert password_from(Path("keys-client.sh"), "prod") == b"--vault-id prod"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "cannot be read: No such file or directory"),
        (".", "cannot be read: Is a directory"),
        ("empty", "gives no password: it is empty"),
        ("silent", "gives no password: it is empty"),
        ("failing", "was run, and ended with 3"),
        ("text", "cannot be run: Exec format error"),
        ("encrypted", "is itself encrypted"),
    ],
)
def test_password_files_that_give_none(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "encrypted").write_text(WHOLE)
    (tmp_path / "text").write_text("hunter2\n")
    (tmp_path / "text").chmod(0o700)
    script(tmp_path / "silent", "true")
    script(tmp_path / "failing", "echo hunter2; exit 3")
    error = refusal(lambda: password_from(tmp_path / name, "default"))
    assert error.message == f"the vault password file {tmp_path / name} {message}"
    assert "hunter2" not in error.hint
