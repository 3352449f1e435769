"""Looks at servers of this test, and the program that asks a host, on this machine."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provision.errors import HostError
from provision.ops.doctor.outside import Outside, asked_for, look
from provision.ops.doctor.probes import Knock, Reply, Resolved, ask, at_once, knock, resolve, shake_hands
from provision.ops.doctor.told import Told, looking
from provision.ops.doctor.wanted import Wanted
from provision.resources.certificates import reasons
from provision.transport.protocol import Login

HERE = "127.0.0.1"
NAME = "api.example.com"
ENDS = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


class Moved(BaseHTTPRequestHandler):
    """Sends everybody to HTTPS."""

    def do_GET(self) -> None:
        self.send_response(308)
        self.send_header("Location", f"https://{self.headers['Host']}{self.path}")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Let's Test"),
            x509.NameAttribute(NameOID.COMMON_NAME, "T1"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ENDS - timedelta(days=3650))
        .not_valid_after(ENDS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("authority") / "both.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *form) + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def plain() -> Iterator[int]:
    """The port of a server of plain HTTP."""
    yield from _serve(ThreadingHTTPServer((HERE, 0), Moved))


@pytest.fixture
def secure(authority: Path) -> Iterator[int]:
    """The port of a server of HTTPS that knows HTTP/2 by name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    server = ThreadingHTTPServer((HERE, 0), Moved)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    yield from _serve(server)


def _serve(server: ThreadingHTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def free_port() -> int:
    with socket.create_server((HERE, 0)) as server:
        return int(server.getsockname()[1])


def test_a_port_is_open_or_refuses(plain: int) -> None:
    assert knock(HERE, plain) == Knock("open", HERE)
    assert knock(HERE, free_port()) == Knock("refused")
    assert knock("no such address", 80).state == "unreachable"


def test_a_port_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue of a listener drops who comes, as a firewall does."""
    monkeypatch.setattr("provision.ops.doctor.probes.KNOCK", 0.2)
    with socket.socket() as server:
        server.bind((HERE, 0))
        server.listen(0)
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for line in waiting:
            line.setblocking(False)
            line.connect_ex((HERE, port))
        assert knock(HERE, port) == Knock("silent")
        for line in waiting:
            line.close()


def test_a_certificate_is_read_that_nobody_trusts(secure: int) -> None:
    seen = shake_hands(HERE, secure, NAME)
    assert (seen.error, seen.protocol) == ("", "h2")
    assert "self-signed certificate" in seen.distrust
    assert seen.certificate is not None
    assert (seen.certificate.issuer, seen.certificate.names) == ("Let's Test T1", (NAME,))
    assert (seen.certificate.not_before, seen.certificate.not_after) == (ENDS - timedelta(days=3650), ENDS)


def test_a_trusted_certificate_has_another_name(secure: int, authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    assert shake_hands(HERE, secure, NAME).distrust == ""
    assert "mismatch" in shake_hands(HERE, secure, "other.example.com").distrust


def test_plain_http_is_no_handshake(plain: int) -> None:
    seen = shake_hands(HERE, plain, NAME)
    assert (seen.error, seen.certificate) == ("wrong version number", None)
    assert shake_hands(HERE, free_port(), NAME).error == "Connection refused"


def test_what_a_server_answers(plain: int, secure: int) -> None:
    assert ask(HERE, plain, NAME, "/x", secure=False) == Reply(308, f"https://{NAME}:{plain}/x")
    assert ask(HERE, secure, NAME, "/x", secure=True).status == 308
    assert ask(HERE, free_port(), NAME, "/", secure=False).error == "Connection refused"
    assert ask(HERE, plain, NAME, "/", secure=True).error == "wrong version number"


def test_names_are_resolved_by_family() -> None:
    assert resolve("127.0.0.1", socket.AF_INET) == Resolved(("127.0.0.1",))
    assert resolve("::1", socket.AF_INET6) == Resolved(("::1",))
    assert resolve("::1", socket.AF_INET).addresses == ()
    assert resolve("a" * 300, socket.AF_INET).addresses == ()


def test_who_takes_too_long_is_left_out() -> None:
    gate = threading.Event()
    began = time.monotonic()
    assert at_once({"fast": lambda: True, "slow": lambda: gate.wait(60)}, 5) == {"fast": True}
    assert time.monotonic() - began < 50
    gate.set()


def test_a_wildcard_is_asked_for_by_some_name() -> None:
    assert (asked_for("*.example.com"), asked_for(NAME)) == ("doctor.example.com", NAME)


def test_a_host_without_a_way_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a forwarded port there is no address, unless a name has one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    login = Login("web1", HERE, port=2222)
    found = look(login, Wanted(caddy=True), "mark")
    assert found == Outside(detour="through port 2222 of this machine")
    assert look(login, Wanted(), "mark") == Outside()


WANTED = Wanted(
    caddy=True, app="no-such-app", names=(NAME,), directory="http://127.0.0.1:9/", index="http://127.0.0.1:9/"
)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_this_machine_tells_of_itself(shell: str) -> None:
    program = looking(WANTED, "mark").text
    began = time.time()
    ran = subprocess.run([shell], input=program, capture_output=True, text=True, check=False, timeout=300)
    told = Told(ran.stdout)
    assert (ran.returncode, ran.stderr) == (0, "")
    told.check_whole()
    assert began <= (told.vitals.time or 0) <= time.time()
    assert told.vitals.memory_available_mb
    assert told.vitals.disks[0].path == "/"
    assert told.one("release").partition(" ")[0]
    assert told.one("app_owner") == "free"
    assert told.one("directory").startswith("fails")
    assert told.one("index").startswith("fails")


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_caddy_is_asked_about_each_name(shell: str, tmp_path: Path) -> None:
    row = '{{"msg":"could not get certificate from issuer","identifier":"{}","issuer":"ca","error":"{}"}}\n'
    journal = tmp_path / "journalctl"
    entries = row.format(NAME, "one") + row.format("*.example.com", "two") + row.format("other.example.com", "three")
    journal.write_text(f"#!/bin/sh\ncat <<'END'\n{entries}END\n")
    journal.chmod(0o755)
    program = looking(replace(WANTED, names=(NAME, "*.example.com")), "").text.replace("/usr/bin/caddy", "/bin/sh")
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run([shell], input=program, capture_output=True, text=True, check=False, timeout=300, env=env)
    told = Told(ran.stdout)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [reasons(name, told.reading) for name in (NAME, "*.example.com")] == ["ca: one", "ca: two"]
    assert "three" not in ran.stdout


@pytest.mark.parametrize("checker", [["dash", "-n", "-"], ["shellcheck", "--shell=sh", "-"]], ids=lambda argv: argv[0])
def test_the_program_is_posix_sh(checker: list[str]) -> None:
    text = looking(WANTED, "").text
    ran = subprocess.run(checker, input=text, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


def test_an_answer_without_its_end() -> None:
    with pytest.raises(HostError, match="ends in the middle"):
        Told("clock=1\n").check_whole()


def test_an_answer_of_garbage_is_judged_like_a_silent_host() -> None:
    told = Told(
        "=\nclock=x\nMemTotal=\u0663\nMemAvailable=-1\nlistener=a b\nown=10.0.0.5 here\nconnection=x\ndisk=1 2\n"
    )
    assert (told.vitals.time, told.vitals.memory_total_mb, told.vitals.disks) == (None, None, ())
    assert (told.listeners, told.addresses, told.origin) == ([], ["10.0.0.5"], "x")
