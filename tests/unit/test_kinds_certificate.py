"""Certificates that are waited for, and what is said of those that are missing; the shell of it in a real one."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from provision.resources.base import Diff, Facts
from provision.resources.certificate import Certificate
from provision.resources.certificates import STORAGE, WAITED, look, missing

NAME = "api.example.com"
TOLD = {
    "level": "error",
    "logger": "tls.obtain",
    "msg": "could not get certificate from issuer",
    "identifier": NAME,
    "issuer": "acme-v02.api.letsencrypt.org-directory",
    "error": "HTTP 400 urn:ietf:params:acme:error:dns - DNS problem: NXDOMAIN looking up A for api.example.com",
}

PROBLEM = {"type": "urn:ietf:params:acme:error:connection", "detail": "203.0.113.5: Timeout during connect"}


def says(*entries: dict[str, Any]) -> dict[str, str]:
    return {f"{NAME}:says{number}": json.dumps({**TOLD, **entry}) for number, entry in enumerate(entries, 1)}


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        ({}, ""),
        (
            says({}),
            "; it was told: acme-v02.api.letsencrypt.org: HTTP 400 urn:ietf:params:acme:error:dns - DNS problem: "
            "NXDOMAIN looking up A for api.example.com",
        ),
        # The last of each authority; what a staging server says of the same name adds nothing.
        (
            says({"error": "old"}, {"error": "new"}, {"issuer": "acme-staging-v02.api.letsencrypt.org-directory"}),
            "; it was told: acme-v02.api.letsencrypt.org: new",
        ),
        (
            says({"error": "one"}, {"issuer": "acme.zerossl.com-v2-DV90", "error": "two"}),
            "; it was told: acme-v02.api.letsencrypt.org: one; acme.zerossl.com-v2-DV90: two",
        ),
        (
            says({"error": f"[{NAME}] authorization failed: no (order=https://ca/1) (ca=https://ca/dir)"}),
            "; it was told: acme-v02.api.letsencrypt.org: authorization failed: no",
        ),
        (
            says({"challenge_type": "http-01", "problem": PROBLEM}, {"error": "no solvers available for remaining"}),
            "; it was told: http-01: connection: 203.0.113.5: Timeout during connect",
        ),
        (
            says({"challenge_type": "tls-alpn-01", "problem_type": PROBLEM["type"], "error": PROBLEM["detail"]}),
            "; it was told: tls-alpn-01: connection: 203.0.113.5: Timeout during connect",
        ),
        # Caddy's own storage failed; beside the answer of an authority it repeats that.
        (
            {f"{NAME}:says1": json.dumps({"msg": "will retry", "error": f"[{NAME}] Obtain: no space left"})},
            "; it was told: Obtain: no space left",
        ),
        (
            says({"error": "no"}) | {f"{NAME}:says2": json.dumps({"msg": "will retry", "error": "Obtain: no"})},
            "; it was told: acme-v02.api.letsencrypt.org: no",
        ),
        ({f"{NAME}:says1": "{no JSON"}, ""),
        ({f"{NAME}:says1": "[" * 100000}, ""),
        ({f"{NAME}:says1": '{"msg": "x"}'}, ""),
        ({f"{NAME}:says1": "[1]"}, ""),
    ],
)
def test_what_caddy_was_told_is_said(found: dict[str, str], reasons: str) -> None:
    observed = {NAME: "no 192.0.2.7", "own": "10.0.0.5", **found}
    begin = f"no certificate yet: {NAME} resolves to 192.0.2.7, this host is 10.0.0.5; Caddy retries by itself"
    assert missing(NAME, observed) == begin + reasons


def test_a_long_error_is_cut() -> None:
    text = missing(NAME, {NAME: "no", **says({"error": "x" * 1000})})
    assert text.endswith("x" * 10 + "…")
    assert len(text) < 500


@pytest.mark.parametrize("observed", [{}, {NAME: "yes"}])
def test_nothing_is_said_of_what_is_there(observed: dict[str, str]) -> None:
    assert missing(NAME, observed) == ""


def test_each_name_is_waited_for_once() -> None:
    kind = Certificate(name=(NAME, "www.example.com"))
    (read,) = kind.reads()
    assert kind.desired(Facts()) == {read[f"{NAME}:waited"]: "yes", read["www.example.com:waited"]: "yes"}
    assert Certificate(name=(NAME,), wait=0).desired(Facts()) == {}
    assert list(Certificate(name=()).reads()) == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": ("a b",)}, "is no host name"),
        ({"name": (NAME,), "wait": -1}, "wait -1 is not between 0 and 3600 s"),
        ({"name": (NAME,), "wait": 3601}, "is not between"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Certificate(**fields)  # type: ignore[arg-type]


def in_folder(script: str, root: Path) -> str:
    """The output of ``script`` where / is ``root``, with a journal and a resolver that are files there."""
    for path in (STORAGE, WAITED, "/etc/caddy"):
        script = script.replace(path, f"{root}{path}")
    script = script.replace("/var/lib/caddy ]", f"{root}/var/lib/caddy ]")
    own = "timeout() { shift; \"$@\"; }\ngetent() { echo '192.0.2.7 STREAM'; }\nhostname() { echo 10.0.0.5; }\n"
    journal = f"journalctl() {{ cat {root}/journal; }}\n"
    argv = ["dash", "-eu", "-c", own + journal + script]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / f".{STORAGE}/authority/{NAME}").mkdir(parents=True)
    (tmp_path / "etc/caddy/sites").mkdir(parents=True)
    (tmp_path / "journal").write_text(json.dumps(TOLD, separators=(",", ":")) + "\n")
    return tmp_path


def give(root: Path, name: str) -> None:
    folder = root / f".{STORAGE}/authority/{name}"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.crt").write_text("certificate")


def test_the_look_finds_what_is_there(root: Path) -> None:
    script = str(look([NAME], "auto", "").script)
    assert in_folder(script, root) == (
        f"{NAME}=no 192.0.2.7 \n{NAME}:says1={json.dumps(TOLD, separators=(',', ':'))}\nown=10.0.0.5\n"
    )
    give(root, NAME)
    assert in_folder(script, root) == f"{NAME}=yes\n{NAME}:waited=yes\nown=\n"


def test_a_wildcard_has_another_file_name(root: Path) -> None:
    give(root, "wildcard_.example.com")
    assert "*.example.com=yes" in in_folder(str(look(["*.example.com"], "auto", "").script), root)


def waited(root: Path, kind: Certificate) -> str:
    (step,) = kind.change(Diff((), {}, Facts()))
    return in_folder(str(step.script), root)


@pytest.mark.parametrize(
    ("name", "answer"),
    [(NAME, f"{NAME}=no "), ("db.internal", "db.internal=own"), ("192.0.2.7", "192.0.2.7=own"), ("box", "box=own")],
)
def test_what_caddy_signs_itself_is_enough_where_nobody_else_would(root: Path, name: str, answer: str) -> None:
    """Not where ``caddy_tls: internal`` was tried before."""
    (root / f".{STORAGE}/local").mkdir()
    (root / f".{STORAGE}/authority").rename(root / f".{STORAGE}/local/{name}")
    (root / f".{STORAGE}/local/{name}/{name}.crt").write_text("certificate")
    assert answer in in_folder(str(look([name], "auto", "").script), root)
    assert f"{name}=own" in in_folder(str(look([name], "internal", "").script), root)
    assert f"{name}=no" in in_folder(str(look([name], "auto", "https://ca.internal/dir").script), root)


@pytest.mark.parametrize(("ahead", "answer"), [(0, "own"), (60, "own"), (7200, "early")])
def test_what_was_signed_while_the_clock_was_ahead_is_found(root: Path, ahead: int, answer: str) -> None:
    """Of a run's trip the folder is known; seconds between it and a certificate that has just come are nothing."""
    (root / f".{STORAGE}/local/{NAME}").mkdir(parents=True)
    path = root / f".{STORAGE}/local/{NAME}/{NAME}.crt"
    path.write_text("certificate")
    os.utime(path, (time.time() + ahead,) * 2)
    script = f"here={root}/etc\n" + str(look([NAME], "internal", "").script)
    assert f"{NAME}={answer}\n{NAME}:waited=yes" in in_folder(script, root)


def test_what_is_not_valid_yet_is_said_with_what_to_do() -> None:
    said = missing(NAME, {NAME: "early"})
    assert said.startswith(
        f"the certificate of {NAME} was signed while this host's clock was ahead, and is not valid yet"
    )
    assert "`rm -r /var/lib/caddy/.local/share/caddy/certificates/local" in said


def test_the_wait_ends_with_the_certificate(root: Path) -> None:
    give(root, NAME)
    assert waited(root, Certificate(name=(NAME,))) == ""
    assert (root / f".{WAITED}/{NAME}").exists()


def test_the_wait_ends_where_caddy_was_refused(root: Path) -> None:
    with (root / "journal").open("a") as journal:
        journal.write(json.dumps({"msg": "will retry", "error": f"[{NAME}] Obtain: no"}, separators=(",", ":")) + "\n")
    assert waited(root, Certificate(name=(NAME,))) == (
        f"Caddy was refused a certificate for {NAME}; it retries by itself\n"
    )


def test_the_wait_ends(root: Path) -> None:
    assert waited(root, Certificate(name=(NAME,), wait=1)) == (
        f"no certificate for {NAME} after 1 s; Caddy goes on by itself\n"
    )
    assert f"{NAME}:waited=yes" in in_folder(str(look([NAME], "auto", "").script), root)
