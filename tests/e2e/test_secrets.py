"""A marker in every kind of secret, and a search for it in all that a run prints, writes and starts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
from collections.abc import Callable

import pytest
from tests.e2e.marked import FILES, MARKS, VARIABLES, Bench, Runs, holds, shown
from tests.e2e.private_index import START, place_index
from tests.e2e.processes import watched_command_lines
from tests.e2e.pythons import INSTALL_PYTHON

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image

INTENDED = (
    "/etc/app-shop/",
    "/srv/shop/deployments/",
    "/root/probe/",
)
"""Where they are to be: the slot's environment and files, and the records for a rollback; root's alone."""
MORE = ("--set", "@kept/more.yml")


@pytest.fixture(scope="module")
def cloud(lab: Lab, add_prepared: Callable[..., Host]) -> Host:
    """A host where sudo asks for a password, with no login of root, and an index that asks for one too."""
    host = add_prepared(Image("bookworm", "cloud"))
    wheel = place_index(lab.root(host))
    index = START.format(login="/root/probe/login", wheel=wheel.name)
    script = (
        "set -eu; useradd --create-home --groups sudo --shell /bin/bash deploy; read -r password; "
        'echo "deploy:$password" | chpasswd; install -d -o deploy /home/deploy/.ssh; '
        "install -o deploy -m 600 /home/debian/.ssh/authorized_keys /home/deploy/.ssh/; mkdir -m 700 /root/probe; "
        'read -r index; printf "shop:%s" "$index" >/root/probe/login; '
        f"cat >/root/probe/markers; {{ {INSTALL_PYTHON}; }} >/dev/null; {index}"
    )
    given = "\n".join([MARKS["become"], MARKS["index"], *MARKS.values(), ""])
    words = host.ssh(f"sudo sh -c '{script}'")
    subprocess.run(words, input=given, text=True, check=True, capture_output=True, timeout=300)
    return dataclasses.replace(host, user="deploy")


@pytest.fixture(scope="module")
def bench(cloud: Host, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("shop")
    for path, text in FILES.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    inventory = folder / "kept/inventory.yml"
    write_inventory(inventory, [cloud], VARIABLES)
    # Relative paths start at the inventory's folder.
    inventory = inventory.rename(folder / "inventory.yml")
    home = folder / "home"
    home.mkdir()
    environ = {**os.environ, "HOME": str(home), "SHOP_SECRET": MARKS["variable"]}
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        environ.pop(name, None)
    environ["ANSIBLE_VAULT_PASSWORD_FILE"] = str(folder / "kept/vault")
    bench = Bench(folder, inventory, environ)
    encrypted = bench.run("vault", "encrypt", "group_vars/all.yml")
    assert encrypted.returncode == 0, encrypted.stderr
    return bench


@pytest.fixture(scope="module", autouse=True)
def refused(bench: Bench) -> Runs:
    """A first run, whose build the index refuses."""
    with watched_command_lines(MARKS.values()) as processes:
        run = bench.run("up", "inventory.yml", "--set", "app_index_username=nobody", "--verbose", *MORE)
    assert run.returncode == 1, run.stdout + run.stderr
    return Runs([run], processes)


@pytest.fixture(scope="module", autouse=True)
def deployed(cloud: Host, bench: Bench, refused: Runs) -> Runs:
    """A plan, a run, one with nothing to do, one with a change, again nothing, and an explanation."""
    other = ("--set", "app_workers=1")
    with watched_command_lines(MARKS.values()) as processes:
        done = [
            bench.run("plan", "inventory.yml", "--diff", *MORE),
            bench.run("up", "inventory.yml", "--verbose", "--diff", *MORE),
            bench.run("up", "inventory.yml", "--json", *MORE),
            bench.run("up", "inventory.yml", *other, "--json", *MORE),
            bench.run("up", "inventory.yml", *other, "--json", *MORE),
            bench.run("explain", "inventory.yml", "app_secrets", "--host", cloud.name, *MORE),
        ]
    assert [run.returncode for run in done] == [0] * 6, [run.stdout + run.stderr for run in done]
    return Runs(done, processes)


@pytest.fixture(scope="module", autouse=True)
def failed(bench: Bench, deployed: Runs) -> Runs:
    """A failing task, in each form of output."""
    given = [word for file in ("more", "task") for word in ("--set", f"@kept/{file}.yml")]
    tell = ("up", "inventory.yml", *given, "--set", "roles=[tell]")
    with watched_command_lines(MARKS.values()) as processes:
        done = [bench.run(*tell, *form) for form in (["--json"], ["--verbose"], [])]
    assert [run.returncode for run in done] == [1] * 3, [run.stdout + run.stderr for run in done]
    return Runs(done, processes)


def test_the_app_gets_its_secrets_and_nobody_else_does(lab: Lab, cloud: Host, deployed: Runs) -> None:
    for settled in (deployed.done[2], deployed.done[4]):
        assert '"changed": 0' in settled.stdout
        assert '"trips": 1' in settled.stdout
    assert shown(*deployed.done) == []
    assert deployed.processes == []

    answer = lab.run(cloud, "curl -sk --resolve shop.test.internal:443:127.0.0.1 https://shop.test.internal/digests")
    kinds = {
        "app_file": "app_file",
        "A_TOKEN": "env",
        "ONE": "variable",
        "TWO": "file",
        "THREE": "command",
        "FOUR": "vault",
    }
    expected = {name: hashlib.sha256(MARKS[kind].encode()).hexdigest() for name, kind in kinds.items()}
    assert (expected | {"word": "hush"}).items() <= json.loads(answer.stdout).items()


@pytest.mark.parametrize(("user", "kind"), [("app-shop", "postgresql"), ("stock", "further")])
def test_the_passwords_open_the_database(cloud: Host, user: str, kind: str) -> None:
    """The role lets nobody in over TCP but those whom Debian's own rules ask for a password."""
    command = f"read -r PGPASSWORD; export PGPASSWORD; psql -XAt -h 127.0.0.1 -U {user} -c 'SELECT current_user' "
    database = "shop" if user == "app-shop" else user
    asked = cloud.ssh(command + database)
    for password, answer in ((MARKS[kind], user), ("wrong", "")):
        done = subprocess.run(asked, input=password + "\n", text=True, capture_output=True, check=False, timeout=300)
        assert done.stdout.strip() == answer, done.stderr


def test_an_index_that_refuses_the_login_does_not_make_it_known(refused: Runs) -> None:
    assert "the package index refused the login" in refused.done[0].stdout + refused.done[0].stderr
    assert shown(*refused.done) == []
    assert refused.processes == []


def test_what_a_failing_task_prints_is_masked(failed: Runs) -> None:
    for run in failed.done:
        assert "(secret)" in run.stdout + run.stderr
    assert shown(*failed.done) == []
    assert failed.processes == []


def test_a_mistake_beside_a_secret_does_not_show_it(bench: Bench) -> None:
    """The line that an error quotes may hold one."""
    unused = bench.run("up", "inventory.yml", "--set", "@kept/task.yml")
    assert unused.returncode == 2
    assert "shop_password: (secret)" in unused.stderr
    assert shown(unused) == []


def test_no_file_of_this_machine_has_one(bench: Bench) -> None:
    """Beside those that the user wrote."""
    own = {bench.inventory, *(bench.folder / "kept").iterdir()}
    files = [path for path in bench.folder.rglob("*") if path.is_file() and path not in own]
    assert [path for path in files if holds(path.read_bytes())] == []
    assert any((bench.folder / "home").rglob("*.cache")), "compiled templates are among what was looked at"


def test_no_file_and_no_journal_of_the_host_has_one(lab: Lab, cloud: Host) -> None:
    """After runs that succeeded and runs that failed; only where they are to be, which is root's and the app's."""
    root = dataclasses.replace(cloud, user="debian")
    pruned = "\\( -path /proc -o -path /sys -o -path /dev \\) -prune -o"
    search = f"sudo find / {pruned} -type f -exec grep -laF -f /root/probe/markers -- {{}} +"
    found = lab.run(root, search, timeout=300).stdout.split()
    assert [path for path in found if not path.startswith(INTENDED)] == []
    assert any(path.startswith("/etc/app-shop/") for path in found), "the search finds what is there"
    journal = lab.run(
        root, "sudo journalctl --sync; sudo journalctl -a -o json | grep -cF -f <(sudo cat /root/probe/markers)"
    )
    assert journal.stdout.strip() == "0", journal.stdout + journal.stderr
    modes = lab.run(root, "sudo find /etc/app-shop /srv/shop/deployments -type f -printf '%m %u %g %p\\n'").stdout
    for line in modes.splitlines():
        mode, user, _group, path = line.split(" ", 3)
        assert user == "root", line
        assert int(mode, 8) & 0o007 == 0 or path.startswith("/srv/shop/deployments/"), line
    assert lab.run(root, "sudo stat -c %a /srv/shop/deployments").stdout.strip() == "700"
