"""An app and its PostgreSQL on two hosts: TLS, and a password that is nowhere but where it has to be."""

from __future__ import annotations

import subprocess
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import testinfra.host
from tests.e2e.cli import Result, wait_for
from tests.e2e.ledger import APP, Ledger
from tests.e2e.processes import watched_command_lines

from provision.lab.lab import Lab
from provision.lab.provider import Host

PASSWORD = "s3c/ret:@ %?#[x]&=+~"
ENCODED = urllib.parse.quote(PASSWORD, safe="")
SNAKEOIL = "etc/ssl/certs/ssl-cert-snakeoil.pem"


class Pair:
    """A host with the server and one with the app."""

    def __init__(self, lab: Lab, ledger: Ledger) -> None:
        self.ledger = ledger
        self.roots = [lab.root(host) for host in ledger.hosts]
        self.set()

    def set(self, of_server: Mapping[str, object] | None = None, **of_app: object) -> None:
        """Write the inventory, with these variables for the app's host, and those for the server's."""
        server, app = (host.address for host in self.ledger.hosts)
        self.ledger.set(
            {"roles": ["postgresql"], "postgresql_allow": [f"{app}/32"], **(of_server or {})},
            {"roles": list(APP), "postgresql_host": server, **of_app},
            postgresql_db="ledger",
        )

    def up(self, *options: str, code: int = 0, password: str = PASSWORD) -> Result:
        return self.ledger.up(*options, code=code, password=password)

    def settle(self) -> None:
        self.ledger.settle(PASSWORD)

    def try_login(self, url: str) -> str:
        """What a client on the app's host is told."""
        code = "import os, psycopg; print(psycopg.connect(os.environ['U']).info.user)"
        python = "$(ls -d /srv/ledger/builds/*/.venv/bin/python | head -n 1)"
        done = self.ledger.view.run(f"U=%s {python} -c %s 2>&1 | tail -n 3", url, code)
        return str(done.stdout)


@pytest.fixture(scope="module")
def pair(
    lab: Lab,
    add_prepared: Callable[..., Host],
    inspect: Callable[[Host], testinfra.host.Host],
    tmp_path_factory: pytest.TempPathFactory,
) -> Pair:
    hosts = [add_prepared(), add_prepared()]
    return Pair(lab, Ledger(tmp_path_factory.mktemp("ledger"), hosts, [inspect(host) for host in hosts]))


@pytest.fixture(scope="module", autouse=True)
def first(pair: Pair) -> tuple[Result, list[str]]:
    """The run on two bare hosts, and what could be seen in `ps` meanwhile."""
    with watched_command_lines([PASSWORD, ENCODED]) as seen:
        return pair.up(), seen


@pytest.fixture(autouse=True)
def settled(pair: Pair, first: tuple[Result, list[str]]) -> None:
    """Every test begins with hosts that lack nothing."""
    pair.set()
    pair.up()
    pair.settle()


def test_a_first_run_takes_few_trips(pair: Pair, first: tuple[Result, list[str]]) -> None:
    recaps = first[0].recaps
    assert [recaps[host.name]["trips"] for host in pair.ledger.hosts] == [3, 3]
    assert [recaps[host.name]["failed"] for host in pair.ledger.hosts] == [0, 0]


def test_the_app_comes_over_the_network_with_tls(pair: Pair) -> None:
    server = pair.ledger.hosts[0].address
    assert pair.ledger.get("/connection") == {
        "user": "app-ledger",
        "database": "ledger",
        "address": server,
        "ssl": True,
    }
    pair.ledger.add("rent", 70000)
    assert "rent" in pair.ledger.entries()
    assert not pair.ledger.view.exists("psql"), "a client needs no server"


def test_only_the_password_over_tls_from_the_network_that_was_named(pair: Pair) -> None:
    server = pair.ledger.hosts[0].address
    url = f"postgresql://app-ledger:{ENCODED}@{server}/ledger"
    assert pair.try_login(f"{url}?sslmode=require") == "app-ledger\n"
    assert "no encryption" in pair.try_login(f"{url}?sslmode=disable")
    assert "password authentication failed" in pair.try_login(url.replace(ENCODED, "other"))
    assert "no pg_hba.conf entry" in pair.try_login(url.replace("/ledger", "/postgres"))
    pair.ledger.views[0].check_output("sed -i 's/^hostssl.*scram/#&/' /etc/postgresql/main/pg_hba.conf")
    pair.ledger.views[0].check_output("systemctl reload postgresql")
    wait_for("a refusal", lambda: "no pg_hba.conf entry" in pair.try_login(url))

    assert "postgresql : Let the roles in over the network (item=app-ledger)" in pair.up().changed
    wait_for("a welcome", lambda: pair.try_login(url) == "app-ledger\n")
    pair.settle()


def test_the_password_is_where_it_has_to_be_alone(pair: Pair, first: tuple[Result, list[str]]) -> None:
    result, arguments = first

    assert arguments == []
    for text in (*map(str, result.events), result.stderr):
        assert PASSWORD not in text
        assert ENCODED not in text
    for root, view in zip(pair.roots, pair.ledger.views, strict=True):
        journal = view.check_output("journalctl -q --all -o cat")
        assert PASSWORD not in journal
        assert ENCODED not in journal
        search = "grep -rlF -e %s -e %s /etc /home /opt /root /run /srv /tmp /var"
        places = {path for path in view.run(search, PASSWORD, ENCODED).stdout.splitlines()}
        assert {path.rsplit("/", 2)[0] for path in places} <= {"/etc", "/srv/ledger/deployments"}, places
        assert all((root / path[1:]).stat().st_mode & 0o077 == 0 for path in places)
    assert (
        pair.ledger.sql("SELECT rolpassword LIKE 'SCRAM-SHA-256$4096:%' FROM pg_authid WHERE rolname LIKE 'app-%'")
        == "t"
    )


def test_a_password_that_was_altered_is_set_again(pair: Pair) -> None:
    pair.ledger.sql("ALTER ROLE \"app-ledger\" PASSWORD 'other' CREATEROLE")

    result = pair.up()

    assert result.changed == ["postgresql : Make the roles (item=app-ledger)", "postgresql : Set the password"]
    assert PASSWORD not in str(result)
    assert pair.try_login(f"postgresql://app-ledger:{ENCODED}@{pair.ledger.hosts[0].address}/ledger") == "app-ledger\n"
    pair.settle()


def test_a_server_that_is_down_at_deploy_leaves_the_old_release_serving(pair: Pair) -> None:
    ledger = pair.ledger
    old = ledger.get("/version")
    version = ledger.release()
    ledger.views[0].check_output("systemctl stop postgresql")

    failed = pair.up("--limit", ledger.host.name, code=1)

    assert failed.error["task"] == "app : Deploy"
    assert "Connection refused" in failed.log
    assert "the migration failed; the new release was not started" in failed.log
    assert ledger.get("/version") == old

    mended = pair.up()
    assert "postgresql : Start PostgreSQL" in mended.changed
    assert ledger.get("/version") == {"version": version}
    assert ledger.get("/health")["cents"] >= 0
    pair.settle()


def test_a_client_can_know_the_server_by_its_certificate(pair: Pair) -> None:
    old = pair.ledger.get("/version")
    make = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout /dev/null 2>/dev/null"
    own, other = (pair.roots[0] / SNAKEOIL).read_text(), str(pair.ledger.views[0].check_output(make))

    pair.set(postgresql_ca_cert=own, postgresql_ssl_mode="verify-ca")
    pair.up()
    assert pair.ledger.get("/connection")["ssl"] is True
    pair.settle()

    # Its name is an address here, which Debian's certificate has not.
    pair.set(postgresql_ca_cert=own)
    assert "does not match host name" in pair.up(code=1).log
    pair.set(postgresql_ca_cert=other, postgresql_ssl_mode="verify-ca")
    assert "certificate verify failed" in pair.up(code=1).log
    assert pair.ledger.get("/version") == old
    assert pair.ledger.get("/connection")["ssl"] is True


def test_a_key_that_is_not_the_certificates_is_not_put_beside_it(pair: Pair, tmp_path: Path) -> None:
    """PostgreSQL would run on, and not start again."""
    for name in ("own", "other"):
        out = ["-subj", f"/CN={name}", "-keyout", f"{tmp_path}/{name}.key", "-out", f"{tmp_path}/{name}.crt"]
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *out]
        subprocess.run(make, check=True, capture_output=True)

    def use(certificate: str, key: str) -> None:
        files = {"cert": tmp_path / f"{certificate}.crt", "key": tmp_path / f"{key}.key"}
        pair.set({f"postgresql_ssl_{kind}": str(file) for kind, file in files.items()})

    use("own", "own")
    pair.up()
    pair.settle()
    for certificate, key, task in (("own", "other", "Install its key"), ("other", "own", "Install the certificate")):
        use(certificate, key)
        failed = pair.up(code=1)
        assert failed.recaps[pair.ledger.hosts[0].name]["error"]["task"] == f"postgresql : {task}"

    pair.ledger.views[0].check_output("systemctl restart postgresql@*")
    used = pair.roots[0] / "etc/ssl/certs/postgresql.crt"
    assert used.read_text() == (tmp_path / "own.crt").read_text()
    assert wait_for("an answer", lambda: pair.ledger.get("/connection"))["ssl"] is True
    use("other", "other")
    pair.up()
    pair.settle()
    assert used.read_text() == (tmp_path / "other.crt").read_text()
