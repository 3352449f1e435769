"""The newest Caddy, from a repository with a key, and what is said of a key that does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.acme import Authority
from tests.e2e.caddy_repository import SUITE, Keys, Repository, newest
from tests.e2e.cli import Result, Site, provision

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab
from provision.lab.provider import Host

NAME = "newest.acme.internal"
SOURCE = {"caddy_source": "url", "caddy_repository_uri": Repository.URI, "caddy_repository_suite": SUITE}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    keys = Keys(tmp_path_factory.mktemp("keys"))
    yield keys
    keys.end()


@pytest.fixture(scope="module")
def owner(keys: Keys) -> Path:
    """The public key of the repository's owner."""
    return keys.make("owner")


@pytest.fixture(scope="module")
def newest_caddy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return newest(tmp_path_factory.mktemp("caddy"))


@pytest.fixture(scope="module")
def site(
    lab: Lab,
    host: Host,
    keys: Keys,
    owner: Path,
    newest_caddy: Path,
    make_site: Callable[..., Site],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    repository = Repository(lab.root(host))
    repository.build(newest_caddy)
    repository.sign(keys, "owner")
    beside = lab.add()
    authority = Authority(lab, beside, host, [NAME])
    root = tmp_path_factory.mktemp("authority") / "root.pem"
    root.write_text(authority.root.read_text())
    yield make_site(
        host,
        caddy_domain=NAME,
        caddy_tls="auto",
        caddy_acme_ca=authority.directory,
        caddy_acme_ca_root=str(root),
        caddy_repository_key=str(owner),
        **SOURCE,
    )
    lab.remove(beside)


@pytest.fixture(scope="module", autouse=True)
def first(site: Site) -> Result:
    return site.up()


def test_it_serves_with_a_certificate_of_the_authority(site: Site, first: Result) -> None:
    assert first.recaps[site.host.name]["trips"] == 3
    assert first.notices == []
    assert re.match(r"v2\.(1[1-9]|[2-9]\d)\.", site.view.check_output("caddy version"))
    answer = site.plain_curl(
        [
            *("-sk", "--include", "--http2", "--resolve", f"{NAME}:443:{site.host.address}"),
            *("--write-out", "%{http_version}", f"https://{NAME}/health"),
        ]
    )
    assert '"status":"ok"' in answer.stdout
    assert 'alt-svc: h3=":443"' in answer.stdout
    assert answer.stdout.endswith("2")
    certificate = site.view.check_output(
        f"cat /var/lib/caddy/.local/share/caddy/certificates/*/{NAME}/{NAME}.crt | openssl x509 -noout -issuer"
    )
    assert "Pebble Intermediate" in certificate


def test_again_nothing_changes(site: Site) -> None:
    again = site.up()
    assert (again.settled, again.notices) == ((0, 1), [])


@pytest.mark.parametrize(
    ("expired", "said"),
    [(False, "that repository is signed by another key"), (True, "the key of that repository has expired")],
    ids=["another", "expired"],
)
def test_a_key_that_does_not_fit(
    lab: Lab, fresh_host: Host, keys: Keys, tmp_path: Path, expired: bool, said: str
) -> None:
    """Nothing of the repository is installed, and the error says which key it is about."""
    given = keys.make(f"given-{expired}", expired=expired)
    signer = keys.make(f"signer-{expired}") if not expired else given
    repository = Repository(lab.root(fresh_host))
    repository.sign(keys, signer.stem, expired=expired)
    inventory = tmp_path / "inventory.yml"
    variables = {"roles": ["caddy"], "caddy_repository_key": str(given), "caddy_domain": NAME, **SOURCE}
    write_inventory(inventory, [fresh_host], variables)

    failed = provision("up", inventory)

    assert (failed.code, failed.error["task"]) == (1, "caddy : Install Caddy")
    assert said in failed.error["hint"]
    assert "file:/opt/caddy any-version" in failed.log
    assert not (lab.root(fresh_host) / "usr/bin/caddy").exists()
