"""explain, roles, lint, completion, and the words of run, exec and ssh: what needs no host."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from provision.cli import main
from provision.cli.hosts import complete_host
from provision.ops import openssh
from provision.ops.commands import in_slot
from provision.shell import Sh
from provision.transport.protocol import Login

SITE = """
all:
  hosts:
    web1: {site_port: 81, ansible_host: 192.0.2.1, ansible_password: hunter2}
    web2:
  vars:
    roles: [site]
    site_title: "Shop of {{ inventory_hostname }}"
    site_token: s3cr3t
    site_link: "https://{{ site_token }}@example.com"
"""
ROLE = {
    "roles/site/meta/argument_specs.yml": """
argument_specs:
  main:
    short_description: A static site
    description: Serves one page.
    options:
      site_port: {type: int, description: Where it listens.}
      site_title: {type: str, required: true, description: What it is called.}
      site_token: {type: str, no_log: true, description: A secret.}
      site_link: {type: str}
      site_mode: {type: str, choices: [fast, slow], description: How.}
      site_pages:
        type: list
        elements: dict
        options:
          path: {type: path, required: true}
          draft: {type: bool}
""",
    "roles/site/defaults/main.yml": "site_port: 80\nsite_mode: fast\nsite_cores: '{{ ansible_processor_vcpus }}'\n",
    "roles/site/tasks/main.yml": """
- name: Write the page
  copy:
    dest: /srv/site.html
    content: "{{ site_title }} {{ site_port }}"
""",
    "roles/site/README.md": "# site\n\nOne page.\n\n- `site_port`: where it\n  listens.\n",
}


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with an inventory and a role of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write(tmp_path, {"inventory.yml": SITE, **ROLE})
    return tmp_path


def invoke(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="provision")


# explain


@pytest.mark.usefixtures("folder")
def test_explain_says_value_place_and_what_it_overrode() -> None:
    result = invoke("explain", "inventory.yml", "site_port", "--host", "web1", "--set", "site_port=82")
    assert result.stdout.splitlines() == [
        "site_port on web1 = 82",
        "",
        "  in effect  82",
        "             --set site_port (--set)",
        "",
        "  overrides  81",
        "             inventory.yml:3:23 (host web1)",
        "",
        "  overrides  80",
        "             roles/site/defaults/main.yml:1:12 (default of the role site)",
        "",
        "Where it listens. (int; role site)",
    ]


@pytest.mark.usefixtures("folder")
def test_explain_shows_what_was_written_and_what_comes_of_it() -> None:
    said = invoke("explain", "inventory.yml", "site_title", "--host", "web2").stdout
    assert 'site_title on web2 = "Shop of web2"\n' in said
    assert '  in effect  "Shop of {{ inventory_hostname }}"\n' in said


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["site_token", "site_link", "ansible_password"])
def test_explain_hides_secrets_and_what_is_made_of_them(name: str) -> None:
    said = invoke("explain", "inventory.yml", name, "--host", "web1").stdout
    assert f"{name} on web1 = (hidden)\n" in said
    assert "s3cr3t" not in said
    assert "hunter2" not in said


def test_explain_shows_no_value_of_an_environment(folder: Path) -> None:
    write(folder, {"app.yml": "all: {hosts: {a: }, vars: {app_env: {DATABASE_URL: 'x://u:hunter2@h/d'}}}"})
    said = invoke("explain", "app.yml", "app_env")
    assert 'app_env on a = {"DATABASE_URL": (hidden)}\n' in said.stdout
    assert "hunter2" not in said.stdout


@pytest.mark.usefixtures("folder")
def test_explain_does_not_guess_facts() -> None:
    said = invoke("explain", "inventory.yml", "site_cores", "--host", "web1").stdout
    assert said.startswith("site_cores on web1 = known on the host only: it needs ansible_processor_vcpus\n")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("inventory.yml", "site_prt", "--host", "web1"),
            "web1 has no variable site_prt\n  hint: Did you mean site_port?",
        ),
        (("inventory.yml", "site_port"), "explain takes one host; there are 2: web1, web2\n  hint: name one by --host"),
        (("site_port",), "The inventory comes first: provision explain inventory.yml site_port"),
    ],
)
def test_explain_refuses(words: tuple[str, ...], says: str) -> None:
    result = invoke("explain", *words)
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.usefixtures("folder")
def test_explain_a_variable_that_is_declared_and_not_set() -> None:
    assert invoke("explain", "inventory.yml", "site_pages", "--host", "web1").stdout.startswith(
        "site_pages on web1 = not set\n"
    )


# roles


def test_roles_list_has_own_roles_and_those_of_provision(folder: Path) -> None:
    write(folder, {"roles/broken/tasks/main.yml": "- nosuchmodule: {}\n"})
    lines = invoke("roles", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    assert "site    A static site (roles/site)" in lines
    assert any(line.startswith("app     A FastAPI app") for line in lines)
    assert any(line.startswith("broken  cannot be used: roles/broken/tasks/main.yml:1:3: ") for line in lines)


@pytest.mark.usefixtures("folder")
def test_roles_docs_of_an_own_role() -> None:
    assert invoke("roles", "docs", "site").stdout.splitlines() == [
        f"site  {Path('roles/site')}",
        "",
        "Serves one page.",
        "",
        "One page.",
        "",
        "- `site_port`: where it listens.",
        "",
        "Variables",
        "",
        "site_port  int, default 80",
        "    Where it listens.",
        "",
        "site_title  str, required",
        "    What it is called.",
        "",
        "site_token  str",
        "    A secret.",
        "",
        "site_link  str",
        "",
        "site_mode  fast or slow, default fast",
        "    How.",
        "",
        "site_pages  list of dict",
        "      path (path): ",
        "      draft (bool): ",
        "",
        "site_cores  any type",
    ]
    assert invoke("roles", "docs", "inventory.yml", "site").stdout == invoke("roles", "docs", "site").stdout


def test_roles_docs_need_no_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "caddy_domain" in invoke("roles", "docs", "caddy").stdout
    missing = invoke("roles", "docs", "cady")
    assert missing.exit_code == 2
    assert "Did you mean caddy?" in missing.stderr


# lint


@pytest.mark.usefixtures("folder")
def test_lint_of_what_is_right() -> None:
    result = invoke("lint")
    assert (result.exit_code, result.stdout) == (0, "inventory.yml: nothing is wrong (2 hosts)\n")


def test_lint_names_all_mistakes_once(folder: Path) -> None:
    """Of names, types, logins, tasks and roles; those of two hosts, and none twice."""
    write(
        folder,
        {
            "inventory.yml": """
                all:
                  hosts:
                    web1: {site_prt: 1, ansible_port: "{{ 'x' }}"}
                    web2: {site_port: eighty}
                    web3: {roles: [nosuch]}
                  vars:
                    roles: [site]
                    site_title: x
                    site_mode: medium
                """,
            "roles/site/tasks/main.yml": """
                - copy: {dest: /a, content: "{{ missing }}"}
                - service: {name: x, state: restrted}
                - template: {src: nosuch.j2, dest: /b}
                - copy: {dest: /c, content: "{{ site_port }}"}
                """,
        },
    )
    result = invoke("lint")
    found = re.findall(r"^(\S+: )?error: (.*)$", result.stdout, re.M)
    assert result.exit_code == 2
    assert found == [
        ("inventory.yml:3:12: ", "the role site has no variable site_prt"),
        ("inventory.yml:3:39: ", "web1: ansible_port must be a port between 1 and 65535"),
        ("inventory.yml:4:23: ", "site_port must be a whole number, not 'eighty'"),
        ("inventory.yml:5:20: ", "there is no role nosuch"),
        ("inventory.yml:9:16: ", "site_mode must be one of fast, slow, not 'medium'"),
        ("roles/site/tasks/main.yml:1:33: ", "the variable missing is not defined"),
        ("roles/site/tasks/main.yml:2:28: ", "state of service must be one of started, stopped, not 'restrted'"),
        ("roles/site/tasks/main.yml:3:18: ", "there is no file nosuch.j2"),
    ]
    assert result.stdout.endswith("inventory.yml: 8 errors (3 hosts)\n")


def test_lint_names_all_tasks_that_cannot_be_read(folder: Path) -> None:
    write(folder, {"roles/site/tasks/main.yml": "- nosuch: {}\n- copy: {dst: /a}\n- file: {path: /b}\n  wen: x\n"})
    result = invoke("lint")
    assert re.findall(r"^roles/site/tasks/main.yml:(\d+)", result.stdout, re.M) == ["1", "2", "4"]


@pytest.mark.parametrize("use", ["tasks/main.yml", "templates/x.j2", "handlers/main.yml", ""])
def test_lint_warns_of_what_nothing_uses(folder: Path, use: str) -> None:
    """Used is what a role's texts mention, or another variable."""
    write(folder, {"group_vars/all.yml": "site_other: {}\nmine: 1\n".replace("site_other: {}\n", "")})
    if use:
        file = folder / "roles/site" / use
        file.parent.mkdir(exist_ok=True)
        before = file.read_text() if file.exists() else ""
        file.write_text(f"{before}# {{{{ mine }}}}\n")
    result = invoke("lint")
    assert result.exit_code == 0
    assert ("group_vars/all.yml:1:1: warning: nothing uses the variable mine" in result.stdout) is (not use)


def test_lint_has_the_notes_of_the_inventory_and_the_app(folder: Path) -> None:
    app = {"pyproject.toml": "[project]\nname = 'x'\nversion = '1'\ndependencies = ['fastapi']\n", ".env": "KEY=1\n"}
    write(folder, {"app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n"})
    write(folder, {f"app/{name}": text for name, text in app.items()})
    write(folder, {"app.yml": "all: {hosts: {a: {ansible_python_interpreter: /x}}, vars: {app_source: app}}\n"})
    result = invoke("lint", "app.yml")
    assert "note: app.yml:1:47: ansible_python_interpreter is ignored" in result.stdout
    assert "note: .env is never shipped; what the app needs of it belongs into app_env: KEY" in result.stdout


def test_lint_of_broken_yaml(folder: Path) -> None:
    write(folder, {"inventory.yml": "all: [\n"})
    result = invoke("lint")
    assert result.exit_code == 2
    assert "inventory.yml:" in result.stderr


# completion


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


# run, exec, ssh


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "inventory.yml", "alembic", "current"), "The command for the host goes behind two dashes: -- COMMAND"),
        (("exec", "inventory.yml"), "Missing the command for the host"),
        (("exec", "--"), "Missing the command for the host"),
        (("run", "inventory.yml", "--", "true"), "no app is on web1, web2: the role app is not in their roles"),
        (("run", "--host", "web*", "--", "true"), "--host takes one host; 'web*' matches 2"),
        (("ssh", "web1"), "The inventory comes first: provision ssh inventory.yml web1"),
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
