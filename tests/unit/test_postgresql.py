"""What the kinds of PostgreSQL compute on the controller: passwords that are tried here, names in SQL, the URL."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import ConfigError, Refused
from provision.plan import compare
from provision.playbook import HostPlay
from provision.resources.base import Facts, Read, Reading
from provision.resources.kinds import KINDS
from provision.resources.postgresql_db import PostgresqlDb
from provision.resources.postgresql_password import AnyVerifierOf, new_verifier, reading_of, verifier
from provision.resources.postgresql_server import identifier, key, literal, server
from provision.resources.postgresql_user import PostgresqlUser
from provision.role import SHIPPED, Modules, load_role
from provision.templating import Templates
from provision.yamlfile import from_plain, parse

SALT = bytes.fromhex("5b6d99689d12358eeca04b141236fa81")
Readings = dict[Read, Reading]
PASSWORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)


def test_a_verifier_is_that_of_the_rfc() -> None:
    """RFC 7677, section 3: the proof and the signature of its exchange follow from these two keys."""
    stored, server_key = verifier("pencil", SALT).rpartition("$")[2].split(":")

    assert verifier("pencil", SALT).startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    assert (stored, server_key) == (
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    )


@given(PASSWORDS, PASSWORDS)
def test_a_password_is_known_again_whatever_its_salt(password: str, other: str) -> None:
    reading = reading_of(new_verifier(password))

    assert AnyVerifierOf(password) == reading
    assert reading == AnyVerifierOf(password)
    assert (AnyVerifierOf(other) != reading) == (other != password)
    assert password not in str(AnyVerifierOf(password)) or password in "the one that is given"


@pytest.mark.parametrize(
    "reading",
    [
        "",
        "of another kind",
        "md5d41d8cd98f00b204e9800998ecf8427e",
        "SCRAM-SHA-256$4096:***$x",
        "SCRAM-SHA-256$0:AA==$x",
    ],
)
def test_what_is_no_verifier_is_no_password(reading: str) -> None:
    assert AnyVerifierOf("secret") != reading


def test_a_plan_compares_passwords_and_shows_none() -> None:
    user = PostgresqlUser(name="app", password="s3cret")
    read = server(5432)
    there = {"role app": "yes", "role app LOGIN": "yes"}
    same: Readings = {read: {**there, "role app password": reading_of(new_verifier("s3cret"))}}
    other: Readings = {read: {**there, "role app password": reading_of(new_verifier("else"))}}

    assert compare(user.desired(Facts()), same, Facts()).changes == ()
    diff = compare(user.desired(Facts()), other, Facts())
    assert [change.property.name for change in diff.changes] == ["role app password"]
    assert "s3cret" not in repr(diff)
    assert all(b"s3cret" not in data for step in user.change(diff) for data in step.files.values())
    assert "s3cret" not in read.script


def test_each_change_takes_a_salt_of_its_own() -> None:
    assert new_verifier("x") != new_verifier("x")


@given(st.text(min_size=1))
def test_a_name_stays_inside_its_quotes(name: str) -> None:
    quoted = identifier(name)
    assert re.fullmatch('"([^"]|"")*"', quoted)
    assert quoted[1:-1].replace('""', '"') == name


@given(st.text())
def test_a_text_stays_inside_its_quotes(text: str) -> None:
    quoted = literal(text).removeprefix("E")
    assert re.fullmatch("'([^']|'')*'", quoted)
    assert literal(text).startswith("E") == ("\\" in text)
    inner = quoted[1:-1].replace("''", "'")
    assert (inner.replace("\\\\", "\\") if "\\" in text else inner) == text


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_name_passes_for_a_property_of_another(one: str, other: str) -> None:
    assert key("role", one) != key("role", other, "LOGIN")
    assert not {"=", "\n"} & set(key("role", one, "LOGIN"))


def test_another_encoding_is_refused() -> None:
    db = PostgresqlDb(name="notes", encoding="UTF8")
    observed: Readings = {server(5432): {"database notes": "yes", "database notes encoding": "SQL_ASCII"}}

    with pytest.raises(Refused) as refusal:
        db.change(compare(db.desired(Facts()), observed, Facts()))

    assert refusal.value.message == "the database notes has the encoding SQL_ASCII, not UTF8, and keeps it for ever"
    assert "pg_dump" in refusal.value.hint


def play(variables: Mapping[str, object], *roles: str) -> HostPlay:
    modules = Modules(KINDS)
    given = {name: from_plain(value, parse("{}", Path("inventory.yml")).position) for name, value in variables.items()}
    return HostPlay([load_role(name, [SHIPPED], modules) for name in roles], given, Templates(), folder=Path("/srv"))


def url(**variables: object) -> str:
    made = play({"postgresql_db": "notes", **variables}, "postgresql")
    return str(made._scope(None)["postgresql_url"])


def test_the_url_of_the_socket() -> None:
    socket = "host=/var/run/postgresql"
    assert url() == f"postgresql+psycopg://app-notes@/notes?{socket}"
    assert url(postgresql_driver="") == f"postgresql://app-notes@/notes?{socket}"
    assert url(postgresql_driver="asyncpg", postgresql_port=5433) == (
        f"postgresql+asyncpg://app-notes@/notes?{socket}&port=5433"
    )
    assert url(postgresql_user="a/b c", postgresql_db="ü?") == f"postgresql+psycopg://a%2Fb%20c@/%C3%BC%3F?{socket}"


def test_the_url_of_another_host() -> None:
    there = {"postgresql_host": "db.internal", "postgresql_password": "p/w:@ %?#[x]+&=~'"}
    made = url(**there)
    parts = urllib.parse.urlsplit(made)

    assert made.startswith("postgresql+psycopg://app-notes:")
    assert made.endswith("@db.internal:5432/notes?sslmode=require")
    assert urllib.parse.unquote(parts.password or "") == there["postgresql_password"]
    assert url(postgresql_host="fd00::5") == "postgresql+psycopg://app-notes@[fd00::5]:5432/notes?sslmode=require"


def test_the_url_names_the_authority_where_the_driver_takes_it_from_there() -> None:
    there = {"postgresql_host": "db.internal", "postgresql_ca_cert": "PEM"}
    digest = hashlib.sha256(b"PEM").hexdigest()
    assert url(**there).endswith(f"?sslmode=verify-full&sslrootcert=/etc/ssl/postgresql-{digest[:12]}.crt")
    assert url(**there, postgresql_ssl_mode="verify-ca", postgresql_driver="asyncpg").endswith("?ssl=verify-ca")


def test_a_server_elsewhere_gets_no_task_here() -> None:
    tasks = play({"postgresql_db": "notes", "postgresql_host": "db.internal"}, "postgresql").resolve(Facts()).tasks
    assert [task.name for task in tasks if task.when] == []


def test_a_database_without_an_app_needs_a_name() -> None:
    with pytest.raises(ConfigError) as refusal:
        play({}, "postgresql").check()
    assert "name the database in postgresql_db" in refusal.value.message
