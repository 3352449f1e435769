"""`provision vault`, and what is encrypted in an inventory, as a user meets both."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from provision import run
from provision.cli import main
from provision.cli.hosts import complete_host
from provision.errors import ConfigError
from provision.inventory import Inventory
from provision.options import Options
from provision.vault import Password, Vault

BIN = Path(sys.executable).parent
PASSWORDS = {"default": "correct horse", "prod": "battery staple"}
VAULTS = {label: Vault([Password(label, text.encode)]) for label, text in PASSWORDS.items()}
BOTH = ("--vault-password-file", "pw-default", "--vault-id", "prod@pw-prod")
PLACES = [Path(place) for place in ("/dev/shm",) if os.access(place, os.W_OK)]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with two password files; nothing of the real environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_IDENTITY_LIST", "ANSIBLE_VAULT_ENCRYPT_IDENTITY"):
        monkeypatch.delenv(name, raising=False)
    for label, text in PASSWORDS.items():
        (tmp_path / f"pw-{label}").write_text(text + "\n")
    return tmp_path


def invoke(*words: str, input: str | bytes | None = None) -> Result:
    """Run the command line in this process."""
    result = CliRunner().invoke(main, words, prog_name="provision", input=input)
    for password in PASSWORDS.values():
        assert password not in result.output
    return result


def ansible(program: str, folder: Path, *words: str) -> bytes:
    """What a real program of Ansible prints."""
    done = subprocess.run(
        [str(BIN / program), *words],
        cwd=folder,
        capture_output=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def value(text: str, indent: int, label: str = "default") -> str:
    """An encrypted value of YAML."""
    return "!vault |\n" + "".join(
        f"{' ' * indent}{line}\n" for line in VAULTS[label].encrypt(text.encode()).splitlines()
    )


def encrypted_inventory(folder: Path) -> None:
    """One with values of both labels, and files of variables that ansible-vault has encrypted."""
    (folder / "inventory.yml").write_text(
        f"all:\n  hosts:\n    web1:\n      key: {value('s3cret', 10, 'prod')}    web2:\n"
        f"  vars:\n    list:\n    - {value('{{ no template', 8)}    - {{deep: open}}\n    roles: [site]\n"
    )
    (folder / "group_vars/all").mkdir(parents=True)
    (folder / "group_vars/all/open.yml").write_text("shown: 1\n")
    (folder / "group_vars/all/secrets.yml").write_text("token: t0ken\nsize: 0644\nmore: {x: '{{ shown }}'}\n")
    (folder / "host_vars").mkdir()
    (folder / "host_vars/web2.yml").write_text("own: pr1vate\n")
    ansible("ansible-vault", folder, "encrypt", "--vault-id", "prod@pw-prod", "group_vars/all/secrets.yml")
    ansible("ansible-vault", folder, "encrypt", "--vault-id", "default@pw-default", "host_vars/web2.yml")


def test_the_list_is_that_of_ansible_inventory(site: Path) -> None:
    """Values stay as they are encrypted, files are read in plain text."""
    encrypted_inventory(site)
    theirs = ansible("ansible-inventory", site, "-i", "inventory.yml", "--list", *BOTH)
    ours = invoke("inventory", "--list", *BOTH)
    assert ours.exit_code == 0, ours.output
    assert json.loads(ours.stdout) == json.loads(theirs)
    assert "__ansible_vault" in ours.stdout
    assert "s3cret" not in ours.stdout
    host = invoke("inventory", "--host", "web2", *BOTH)
    assert json.loads(host.stdout) == json.loads(
        ansible("ansible-inventory", site, "-i", "inventory.yml", "--host", "web2", *BOTH)
    )


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (BOTH, {}),
        (("--vault-pass-file", "pw-default", "--vault-password-file", "pw-prod"), {}),
        (("--vault-id", "pw-prod", "--vault-id", "any@pw-default"), {}),
        (("--vault-id", "prod@pw-prod"), {"ANSIBLE_VAULT_PASSWORD_FILE": "pw-default"}),
        ((), {"ANSIBLE_VAULT_IDENTITY_LIST": "prod@pw-prod, dev@pw-default"}),
        (("--vault-password-file", "program"), {"ANSIBLE_VAULT_PASSWORD_FILE": "pw-prod"}),
    ],
)
def test_every_way_to_name_passwords(
    options: tuple[str, ...], environment: dict[str, str], site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypted_inventory(site)
    (site / "program").write_text('#!/bin/sh\necho "$#" >>arguments\ncat pw-default\n')
    (site / "program").chmod(0o700)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    result = invoke("inventory", "--graph", *options)
    assert result.exit_code == 0, result.output
    if "program" in options:
        assert (site / "arguments").read_text() == "0\n", "it is run once, and told nothing"


COMMANDS = [
    *(["up"], ["plan"], ["migrate"], ["releases"], ["rollback"], ["logs"], ["lint"], ["inventory"]),
    *(
        ["run", "--", "true"],
        ["exec", "--", "true"],
        ["explain", "inventory.yml", "key"],
        ["ssh", "inventory.yml", "web1"],
    ),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_every_command_that_reads_an_inventory(words: list[str], site: Path) -> None:
    """Without a password each says what to give; with a wrong one, that it is wrong; both with the place."""
    encrypted_inventory(site)
    at = words.index("--") if "--" in words else len(words)
    for options, said in (
        ((), "there is no password for it"),
        (("--vault-password-file", "pw-default"), "not with a password that was given"),
    ):
        result = invoke(*words[:at], *options, *words[at:])
        assert result.exit_code == 2, result.output
        flat = " ".join(result.output.split())
        assert "inventory.yml:4:12: error: this is encrypted with ansible-vault" in flat
        assert said in flat
        assert "ANSIBLE_VAULT;" not in flat


def test_an_encrypted_file_is_never_shown(site: Path) -> None:
    """Neither what stands in it nor what it holds, where a value of it is wrong."""
    (site / "inventory.yml").write_text("all: {hosts: {web1: }}\n")
    (site / "group_vars").mkdir()
    (site / "group_vars/all.yml").write_text(VAULTS["prod"].encrypt(b"a: 1\nansible_port: s3cret\n"))
    result = invoke("up", "--vault-id", "prod@pw-prod")
    assert result.exit_code == 2
    assert "group_vars/all.yml:2:15: error: ansible_port" in result.output
    assert " | " not in result.output, "no line of the file"


class Engine:
    """Takes the place of a run, and keeps what it was given."""

    made: Engine

    def __init__(self, inventory: Inventory, options: Options, *others: object) -> None:
        self.inventory, self.options = inventory, options
        Engine.made = self
        raise ConfigError("far enough")


def test_a_file_of_set_may_be_encrypted(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that up needs one option for it; the command that others see names no value."""
    monkeypatch.setattr(run, "InventoryRun", Engine)
    (site / "inventory.yml").write_text("all: {hosts: {web1: }}\n")
    (site / "secrets.yml").write_text(VAULTS["prod"].encrypt(b"shop_key: s3cret\n"))
    (site / "value.yml").write_text(f"other: {value('hidden', 4)}")
    result = invoke("up", "--set", "@secrets.yml", "--set", "@value.yml", *BOTH)
    assert "far enough" in result.output
    made = Engine.made
    assert {name: node.value for name, node in made.options.extra.items()} == {"shop_key": "s3cret", "other": "hidden"}
    assert made.inventory.vault.revealed == {"s3cret", "hidden"}
    assert made.options.command == "provision up inventory.yml --set @secrets.yml --set @value.yml"


def test_a_crash_leaves_nothing_of_it_behind(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever command it is that opened something."""
    load = Inventory.load

    def crash(*words: Any, **options: Any) -> Inventory:
        inventory = load(*words, **options)
        raise RuntimeError(f"none of {inventory.vault.revealed}")

    encrypted_inventory(site)
    monkeypatch.setattr(Inventory, "load", crash)
    result = invoke("inventory", "inventory.yml", "--list", *BOTH)
    [file] = (site / "state/provision").iterdir()
    for text in (result.output, file.read_text()):
        assert "'(secret)'" in text.replace('"', "'")
        assert not any(secret in text for secret in ("s3cret", "pr1vate", "no template"))


def test_explain_hides_what_was_encrypted(site: Path) -> None:
    """The value, what is made of it, and what stands in an encrypted file."""
    encrypted_inventory(site)
    (site / "roles/site/tasks").mkdir(parents=True)
    (site / "roles/site/tasks/main.yml").write_text("- name: Say\n  debug: {msg: x}\n")
    (site / "group_vars/all/open.yml").write_text("shown: 1\nurl: 'https://{{ key }}@host'\nwide: '{{ shown }}'\n")
    for name in ("key", "url", "token", "list", "size"):
        result = invoke("explain", "inventory.yml", name, "--host", "web1", *BOTH)
        assert result.exit_code == 0, result.output
        assert "(hidden)" in result.output
        assert not any(secret in result.output for secret in ("s3cret", "t0ken", "no template", "0644"))
    assert "1" in invoke("explain", "inventory.yml", "wide", "--host", "web1", *BOTH).output


def test_hosts_are_completed_without_a_password(site: Path) -> None:
    encrypted_inventory(site)
    context = click.Context(main)
    context.params["inventory"] = "inventory.yml"
    assert complete_host(context, click.Argument(["host"]), "web") == ["web1", "web2"]


def mode(path: Path) -> int:
    """The permissions of a file."""
    return path.stat().st_mode & 0o777


def test_files_in_both_directions(site: Path) -> None:
    """In place, for the user alone, through a link, and nothing of the work is left behind."""
    (site / "a.yml").write_text("a: s3cret\n")
    (site / "b.yml").write_bytes(b"\x00\xff")
    (site / "link.yml").symlink_to("b.yml")
    before = sorted(os.listdir(site))
    assert invoke("vault", "encrypt", "a.yml", "link.yml", "--vault-id", "prod@pw-prod").exit_code == 0
    assert sorted(os.listdir(site)) == before
    assert (site / "link.yml").is_symlink()
    assert (mode(site / "a.yml"), mode(site / "b.yml")) == (0o600, 0o600)
    assert ansible("ansible-vault", site, "view", "--vault-id", "prod@pw-prod", "a.yml") == b"a: s3cret\n"
    assert invoke("vault", "view", "a.yml", "b.yml", *BOTH).stdout_bytes == b"a: s3cret\n\x00\xff"
    assert (site / "a.yml").read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert invoke("vault", "decrypt", "a.yml", "link.yml", *BOTH).exit_code == 0
    assert (site / "a.yml").read_text() == "a: s3cret\n"
    assert (site / "b.yml").read_bytes() == b"\x00\xff"
    assert mode(site / "a.yml") == 0o600


def test_standard_input_and_output(site: Path) -> None:
    sealed = invoke("vault", "encrypt", "--vault-password-file", "pw-default", input="s3cret")
    assert sealed.stdout.startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    assert invoke("vault", "decrypt", "-", *BOTH, input=sealed.stdout).stdout == "s3cret"
    (site / "plain.yml").write_text("a: 1\n")
    assert invoke("vault", "encrypt", "plain.yml", "--output", "sealed.yml", *BOTH[2:]).exit_code == 0
    assert (site / "plain.yml").read_text() == "a: 1\n"
    assert mode(site / "sealed.yml") == 0o600
    assert invoke("vault", "decrypt", "sealed.yml", "--output", "-", *BOTH).stdout == "a: 1\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("encrypt", "sealed.yml", *BOTH[:2]), "sealed.yml is encrypted already"),
        (("encrypt", "plain.yml", "sealed.yml", *BOTH[:2]), "sealed.yml is encrypted already"),
        (("encrypt", "plain.yml", "missing.yml", *BOTH[:2]), "missing.yml: cannot be read: No such file or directory"),
        (("encrypt", "plain.yml", *BOTH), "there are several vault passwords to encrypt with: prod, default"),
        (("encrypt", "plain.yml", "--encrypt-vault-id", "live", *BOTH), "no vault password has the label live"),
        (("encrypt", "plain.yml"), "there is no vault password to encrypt with"),
        (("encrypt", "plain.yml", "sealed.yml", "--output", "x", *BOTH), "--output takes what comes of one FILE"),
        (("encrypt", "plain.yml", "--output", "no/x", *BOTH[:2]), "cannot write no/x: No such file or directory"),
        (("decrypt", "sealed.yml", "plain.yml", *BOTH), "plain.yml is not encrypted"),
        (("decrypt", "sealed.yml", *BOTH[:2]), "sealed.yml:1:1: error: this is encrypted with ansible-vault, and not"),
        (("view", "plain.yml", *BOTH), "plain.yml is not encrypted"),
        (("view", "cut.yml", *BOTH), "cut.yml:1:1: error: this cannot be what ansible-vault wrote"),
        (("edit", "plain.yml", *BOTH), "plain.yml is not encrypted"),
        (("edit", "-", *BOTH), "standard input cannot be edited"),
        (("encrypt-string", "s3cret", *BOTH[:2]), "the value is no argument: other users of the machine would see it"),
        (("encrypt-string", "--prompt", *BOTH[:2]), "--prompt needs a terminal"),
        (("encrypt-string", *BOTH[:2]), "there is nothing on standard input to encrypt"),
        (("view", "sealed.yml", "-J"), "the password of the vault is asked for on a terminal, and this is none"),
        (("view", "sealed.yml", "--vault-id", "a;b@pw-prod"), "not of the form LABEL@SOURCE"),
        (("view", "sealed.yml", "--vault-id", "prod@"), "not of the form LABEL@SOURCE"),
        (("view", "sealed.yml", "--vault-password-file", "none"), "the vault password file none cannot be read"),
    ],
)
def test_what_is_refused_changes_nothing(words: tuple[str, ...], said: str, site: Path) -> None:
    (site / "plain.yml").write_text("a: s3cret\n")
    (site / "sealed.yml").write_text(VAULTS["prod"].encrypt(b"b: s3cret\n"))
    (site / "cut.yml").write_text((site / "sealed.yml").read_text()[:99])
    before = {file.name: file.read_bytes() for file in site.iterdir() if file.is_file()}
    result = invoke("vault", *words)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.output.split())
    assert "s3cret" not in result.output
    assert {file.name: file.read_bytes() for file in site.iterdir() if file.is_file()} == before


def test_a_value_to_paste(site: Path) -> None:
    """In Ansible's form, from standard input; a line's end is kept, and said."""
    options = ("--vault-password-file", "pw-default")
    result = invoke("vault", "encrypt-string", "--name", "shop_key", *options, input="s3cret")
    lines = result.stdout.splitlines()
    assert lines[:2] == ["shop_key: !vault |", "          $ANSIBLE_VAULT;1.1;AES256"]
    assert result.stderr == ""
    sealed = "\n".join(line.strip() for line in lines[1:])
    (site / "sealed").write_text(sealed)
    assert ansible("ansible-vault", site, "decrypt", "--output", "-", *options, "sealed") == b"s3cret"
    result = invoke("vault", "encrypt-string", "--output", "value.yml", *options, input="s3cret\n")
    assert result.stderr == "note: the value ends with a line break, which is kept; `printf %s` writes none\n"
    assert (site / "value.yml").read_text().startswith("!vault |\n          $ANSIBLE_VAULT;1.1;AES256\n")


@pytest.fixture
def edited(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Result]]:
    """Edits secrets.yml with an editor of one line of shell; its plain text is nowhere afterwards."""

    def remains() -> list[Path]:
        return [path for place in (*PLACES, site) for path in place.glob("provision-vault-*")]

    def edit(editor: str) -> Result:
        (site / "editor").write_text(
            f'#!/bin/sh\nexec 2>/dev/null\nstat -c %a "$1" "$(dirname "$1")" >modes\n{editor}\n'
        )
        (site / "editor").chmod(0o700)
        monkeypatch.setenv("EDITOR", str(site / "editor"))
        return invoke("vault", "edit", "secrets.yml", "--vault-id", "dev@pw-prod")

    (site / "secrets.yml").write_text(VAULTS["prod"].encrypt(b"a: 1\n"))
    assert remains() == []
    yield edit
    assert remains() == []
    assert (site / "modes").read_text().split() == ["600", "700"]


def test_an_edited_file_is_encrypted_as_it_was(edited: Callable[[str], Result], site: Path) -> None:
    """With its label and the password that opened it; what the editor left beside it is gone too."""
    assert edited('echo "b: 2" >>"$1"; cp "$1" "$1~"').exit_code == 0
    text = (site / "secrets.yml").read_text()
    assert text.startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert Vault([Password("prod", PASSWORDS["prod"].encode)]).decrypt(text) == b"a: 1\nb: 2\n"
    assert mode(site / "secrets.yml") == 0o600


@pytest.mark.parametrize(
    ("editor", "code", "said"),
    [
        (":", 0, "secrets.yml was not changed"),
        ('echo "b: 2" >>"$1"; exit 3', 1, "ended with exit code 3"),
        ('echo "b: 2" >>"$1"; kill -9 $$', 1, "ended by signal 9"),
        ('rm "$1"', 1, "the editor left no file behind"),
        ('cp secrets.yml "$1"', 2, "what the editor wrote is encrypted itself"),
    ],
)
def test_a_file_stays_as_it_is(editor: str, code: int, said: str, edited: Callable[[str], Result], site: Path) -> None:
    before = (site / "secrets.yml").read_bytes(), (site / "secrets.yml").stat().st_ino
    result = edited(editor)
    assert (result.exit_code, said in " ".join(result.output.split())) == (code, True), result.output
    assert ((site / "secrets.yml").read_bytes(), (site / "secrets.yml").stat().st_ino) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_leaves_nothing_of_the_plain_text(number: signal.Signals, site: Path) -> None:
    """The editor tells by a pipe where it has the file, and waits."""
    (site / "secrets.yml").write_text(VAULTS["prod"].encrypt(b"a: 1\n"))
    (site / "editor").write_text('#!/bin/sh\necho "$1"\nexec sleep 60\n')
    (site / "editor").chmod(0o700)
    with subprocess.Popen(
        [sys.executable, "-m", "provision", "vault", "edit", "secrets.yml", "--vault-id", "prod@pw-prod"],
        env={**os.environ, "EDITOR": str(site / "editor")},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        plain = Path(process.stdout.readline().strip())
        assert plain.read_text() == "a: 1\n"
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    assert not plain.parent.exists()


def on_terminal(folder: Path, typed: bytes, *words: str) -> tuple[int, str]:
    """Run the command on a terminal, with what is typed there; its exit code and all that it showed."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "provision", *words]
    with subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        shown, answers = b"", typed.splitlines(keepends=True)
        # At its end Linux gives an error in place of nothing.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 1024):
                shown += part
                # The space comes from getpass, which has switched the echo off before.
                if answers and shown.endswith(b": "):
                    os.write(ours, answers.pop(0))
        os.close(ours)
    return process.returncode, shown.decode()


def test_passwords_are_asked_for_on_a_terminal(site: Path) -> None:
    """A new one twice, an old one once, with the label where there is one; nothing that is typed is shown."""
    (site / "a.yml").write_text("a: s3cret\n")
    password = f"{PASSWORDS['prod']}\n".encode()
    code, shown = on_terminal(site, password * 2, "vault", "encrypt", "a.yml", "--vault-id", "prod@prompt")
    assert (code, shown.split("\r\n")[:2]) == (
        0,
        ["New vault password (prod): ", "Confirm new vault password (prod): "],
    )
    assert PASSWORDS["prod"] not in shown
    code, shown = on_terminal(site, password, "vault", "view", "a.yml")
    assert (code, shown.split("\r\n")[:2]) == (0, ["Vault password: ", "a: s3cret"])
    (site / "inventory.yml").write_text("all: {hosts: {web1: }}\n")
    (site / "group_vars").mkdir()
    (site / "a.yml").rename(site / "group_vars/all.yml")
    code, shown = on_terminal(site, password, "inventory", "-J", "--host", "web1")
    assert (code, "s3cret" in shown, PASSWORDS["prod"] in shown) == (0, True, False)
