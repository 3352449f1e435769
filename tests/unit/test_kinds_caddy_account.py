"""The account that Caddy is to have with an authority: where it lies, and the shell that makes it, in a real one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from provision.resources.base import Diff, Facts, Read, Shell
from provision.resources.caddy_account import CaddyAccount
from provision.resources.certificates import ACCOUNTS

CA = "https://ca.internal/acme/acme/directory"
NAMES = ("api.example.com", "www.example.com")


def script_of(read: Read) -> str:
    assert isinstance(read, Shell)
    return str(read.script)


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        (
            {},
            [
                "acme-v02.api.letsencrypt.org-directory/users/default/default",
                "acme-staging-v02.api.letsencrypt.org-directory/users/default/default",
            ],
        ),
        ({"acme_staging": True}, ["acme-staging-v02.api.letsencrypt.org-directory/users/default/default"]),
        ({"acme_ca": CA}, ["ca.internal-acme-acme-directory/users/default/default"]),
        ({"acme_ca": CA, "acme_staging": True}, ["ca.internal-acme-acme-directory/users/default/default"]),
        ({"acme_ca": "https://10.0.0.5:14000/dir/"}, ["10.0.0.5-14000-dir/users/default/default"]),
        ({"acme_ca": "ca.internal"}, ["ca.internal/users/default/default"]),
        ({"acme_ca": CA, "name": ("db.internal",)}, ["ca.internal-acme-acme-directory/users/default/default"]),
        (
            {"acme_ca": CA, "email": "Ops+Web@Example.com"},
            ["ca.internal-acme-acme-directory/users/ops_plus_web@example.com/ops_plus_web"],
        ),
        # Caddy signs these itself.
        ({"name": ("db.internal", "203.0.113.10")}, []),
        ({"name": ()}, []),
    ],
)
def test_where_caddy_looks_for_it(fields: dict[str, Any], paths: list[str]) -> None:
    kind = CaddyAccount(**{"name": NAMES, **fields})
    text = "".join(script_of(read) for read in kind.reads())
    assert [word.removeprefix(f"{ACCOUNTS}/") for word in text.split() if word.startswith(ACCOUNTS)] == paths
    assert [prop.name for prop in kind.desired(Facts())] == [path.partition("/")[0] for path in paths]


def test_what_is_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="is no host name"):
        CaddyAccount(name=("a b",))


@pytest.fixture(params=["dash", "bash"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "shell").write_text(request.param)
    return tmp_path


def run(root: Path, script: str) -> str:
    """What ``script`` says where Caddy's storage is in ``root``, and everyone is the user caddy."""
    there = script.replace(ACCOUNTS, f"{root}/acme")
    argv = [(root / "shell").read_text(), "-eu", "-c", 'runuser() { shift 3; "$@"; }\n' + there]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout


def look(root: Path, kind: CaddyAccount) -> str:
    (read,) = kind.reads()
    return run(root, script_of(read))


def make(root: Path, kind: CaddyAccount) -> str:
    (step,) = kind.change(Diff((), {}, Facts()))
    return run(root, str(step.script))


def test_the_key_waits_for_its_registration(root: Path) -> None:
    kind = CaddyAccount(name=NAMES, email="o'ps@example.com", acme_ca=CA)
    assert look(root, kind) == ""
    assert make(root, kind) == ""
    assert look(root, kind) == "ca.internal-acme-acme-directory=there\n"
    folder = root / "acme/ca.internal-acme-acme-directory/users/ops@example.com"
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "ops.json": 0o600,
        "ops.key": 0o600,
    }
    assert json.loads((folder / "ops.json").read_text()) == {"contact": ["mailto:o'ps@example.com"]}
    key = load_pem_private_key((folder / "ops.key").read_bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    assert isinstance(key.curve, SECP256R1)
    assert {path.name for path in folder.parent.parent.iterdir()} == {"users"}
    assert {path.stat().st_mode & 0o777 for path in (root / "acme").rglob("*") if path.is_dir()} == {0o700}


def test_each_authority_has_a_key_of_its_own(root: Path) -> None:
    make(root, CaddyAccount(name=NAMES))
    first, second = (path.read_text() for path in (root / "acme").glob("*/users/default/default.key"))
    assert first != second
    assert {path.read_text() for path in (root / "acme").glob("*/users/default/default.json")} == {"{}\n"}


def test_an_account_is_left_alone_and_half_of_one_is_made_anew(root: Path) -> None:
    kind = CaddyAccount(name=NAMES, acme_ca=CA)
    make(root, kind)
    folder = root / "acme/ca.internal-acme-acme-directory/users/default"
    (folder / "default.json").write_text('{"status": "valid"}')
    key = (folder / "default.key").read_text()
    make(root, kind)
    assert ((folder / "default.json").read_text(), (folder / "default.key").read_text()) == ('{"status": "valid"}', key)
    (folder / "default.json").write_text("")
    assert look(root, kind) == ""
    make(root, kind)
    assert (folder / "default.json").read_text() == "{}\n"
    assert (folder / "default.key").read_text() != key
