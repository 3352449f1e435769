"""The words of run, exec, ssh and logs, before any host is asked; and their completion."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.unit.cli_site import ROLE, SITE, invoke, write

from provision.cli import main
from provision.cli.hosts import complete_host
from provision.ops import openssh
from provision.ops.commands import in_slot
from provision.shell import Sh
from provision.transport.protocol import Login


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write(tmp_path, {"inventory.yml": SITE, **ROLE})
    return tmp_path


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_clicks_script(shell: str) -> None:
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert "_PROVISION_COMPLETE" in result.stdout


@pytest.mark.parametrize(
    ("words", "current", "expected"),
    [
        ("provision ru", 1, "plain,run\n"),
        ("provision logs --fol", 2, "plain,--follow\n"),
        ("provision run --ho", 2, "plain,--host\n"),
        ("provision ssh inventory.yml web", 3, "plain,web1\nplain,web2\n"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_completion_of_a_line(words: str, current: int, expected: str) -> None:
    env = {"_PROVISION_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(current)}
    result = CliRunner(env=env).invoke(main, [], prog_name="provision")
    assert (result.exit_code, result.stdout) == (0, expected)


@pytest.mark.usefixtures("folder")
def test_completion_of_hosts_keeps_quiet_about_mistakes() -> None:
    context = click.Context(main, info_name="provision")
    context.params["inventory"] = Path("nosuch.yml")
    assert complete_host(context, click.Argument(["host"]), "") == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "inventory.yml", "alembic", "current"), "the command for the host goes behind two dashes: -- COMMAND"),
        (
            ("exec", "inventory.yml"),
            "the command for the host is missing\n  hint: it goes behind two dashes: -- COMMAND",
        ),
        (("exec", "--"), "the command for the host is missing\n  hint: it goes behind two dashes: -- COMMAND"),
        (("run", "inventory.yml", "--", "true"), "no app is on web1, web2: the role app is not in their roles"),
        (("run", "--host", "web*", "--", "true"), "--host takes one host; 'web*' matches 2"),
        (("ssh", "web1"), "the inventory comes first: provision ssh inventory.yml web1"),
        (("ssh", "inventory.yml"), "ssh takes one host; there are 2: web1, web2"),
        (("logs", "nosuch.yml"), "nosuch.yml"),
    ],
)
def test_words_that_do_not_do(words: tuple[str, ...], says: str) -> None:
    result = invoke(*words)
    assert result.exit_code == 2
    assert says in result.stderr


def test_logs_do_not_need_the_app(folder: Path) -> None:
    """Its source may be broken just now: the name is all that is asked of it, and --app says that."""
    write(folder, {"app.yml": "all: {hosts: {a: }, vars: {app_source: nosuch}}"})
    result = invoke("logs", "app.yml")
    assert result.exit_code == 2
    assert "or name the app with --app" in result.stderr


def test_ssh_is_given_what_the_inventory_says(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(openssh, "execute", called.append)
    write(
        folder,
        {
            "inventory.yml": """
                all:
                  hosts:
                    web1:
                      ansible_host: 192.0.2.1
                      ansible_port: 2222
                      ansible_user: debian
                      ansible_ssh_private_key_file: keys/id
                      ansible_ssh_common_args: -J "jump host" -o HostKeyAlias=x
                      ansible_password: hunter2
                """
        },
    )
    invoke("ssh", "inventory.yml", "web1", "--accept-new-host-keys", "--", "ls", "-l")
    key = os.path.join(folder, "keys/id")
    assert called == [
        [
            *("ssh", "-o", "StrictHostKeyChecking=accept-new", "-p", "2222", "-l", "debian", "-i", key),
            *("-o", "ConnectTimeout=10", "-J", "jump host", "-o", "HostKeyAlias=x", "--", "192.0.2.1", "ls", "-l"),
        ]
    ]


def test_ssh_of_a_login_without_anything() -> None:
    assert openssh.argv(Login("a", "a")) == ["ssh", "-o", "ConnectTimeout=10", "--", "a"]


def test_as_root_fits_every_login_shell() -> None:
    """Within single quotes, and nothing else in it that a shell may read its own way."""
    command = openssh.as_root(Sh("echo 'a' \\ !"))
    assert re.fullmatch(r"exec sh -c '[^'\\!\n]*'", command)


def test_words_of_run_are_kept_from_systemd() -> None:
    """systemd would replace $NAME, and look programs up in the PATH of root."""
    text = in_slot("notes", ["printf", "%s", "$HOME", "it's"]).text
    assert text.endswith("""-- /usr/bin/env printf %s '$$HOME' 'it'"'"'s'""")
    assert in_slot("notes", ["echo $HOME | cat"]).text.endswith("-- /usr/bin/env /bin/sh -c 'echo $$HOME | cat'")
