"""known_hosts against OpenSSH's own reading of it."""

from __future__ import annotations

import base64
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from provision.errors import HostKeyError
from provision.transport.ssh_hostkeys import HostKey, HostKeyPolicy, KnownHosts


def make_key(folder: Path, kind: str = "ed25519", name: str = "key") -> tuple[str, bytes]:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", folder / name], check=True)
    algorithm, blob = (folder / f"{name}.pub").read_text().split()[:2]
    return algorithm, base64.b64decode(blob)


def entry(names: str, algorithm: str, blob: bytes) -> str:
    return f"{names} {algorithm} {base64.b64encode(blob).decode()}"


@pytest.fixture
def key(tmp_path: Path) -> HostKey:
    return HostKey("web1", *make_key(tmp_path))


@pytest.fixture
def other(tmp_path: Path) -> HostKey:
    return HostKey("web1", *make_key(tmp_path, name="other"))


@pytest.fixture
def known(tmp_path: Path) -> KnownHosts:
    return KnownHosts((tmp_path / "ssh" / "known_hosts",))


def write(known: KnownHosts, *lines: str) -> None:
    known.files[0].parent.mkdir(exist_ok=True)
    known.files[0].write_text("\n".join(lines) + "\n")


def test_fingerprint_and_type_are_those_of_ssh_keygen(tmp_path: Path, key: HostKey) -> None:
    shown = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], check=True, capture_output=True, text=True)
    assert key.fingerprint in shown.stdout
    assert f"({key.type})" in shown.stdout


def test_question_is_answered_as_openssh_does(key: HostKey) -> None:
    assert key.fingerprint in key.question
    assert [key.answer(text) for text in ("yes\n", "No", key.fingerprint, "y", "", "SHA256:x")] == [
        True,
        False,
        True,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("host", ["web1", "[web1]:2222", "2001:db8::1", "[2001:db8::1]:2222"])
@pytest.mark.parametrize("hashed", [False, True])
def test_an_appended_key_is_found_by_ssh_keygen_and_by_us(
    known: KnownHosts, key: HostKey, host: str, hashed: bool
) -> None:
    known = KnownHosts(known.files, hashed=hashed)
    shown = HostKey(host, key.algorithm, key.blob)
    assert not known.verify(shown)
    known.append(shown)
    assert known.verify(shown)
    assert (host in known.files[0].read_text()) is not hashed
    found = subprocess.run(["ssh-keygen", "-f", known.files[0], "-F", host], capture_output=True, text=True)
    assert entry("", key.algorithm, key.blob).strip() in found.stdout


def test_keys_hashed_by_ssh_keygen_are_found(known: KnownHosts, key: HostKey) -> None:
    write(known, entry("web1,10.0.0.1", key.algorithm, key.blob))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known.files[0]], check=True, capture_output=True)
    assert "web1" not in known.files[0].read_text()
    assert known.verify(key)


def test_folder_and_file_are_private_and_the_last_line_is_ended_first(known: KnownHosts, key: HostKey) -> None:
    known.append(key)
    assert stat.S_IMODE(known.files[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(known.files[0].parent.stat().st_mode) == 0o700
    known.files[0].write_text("# no newline")
    known.append(key)
    assert known.files[0].read_text().splitlines() == ["# no newline", entry("web1", key.algorithm, key.blob)]


def test_keys_may_be_thrown_away(key: HostKey) -> None:
    known = KnownHosts((Path("/dev/null"),))
    known.append(key)
    assert not known.verify(key)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("web1", True),
        ("WEB1", True),
        ("db1,web1", True),
        ("web*", True),
        ("web?", True),
        ("*,!web1", False),
        ("!web1", False),
        ("web10", False),
        ("|1|broken", False),
    ],
)
def test_patterns(known: KnownHosts, key: HostKey, names: str, found: bool) -> None:
    write(known, "# a comment", "", "short line", entry(names, key.algorithm, key.blob))
    assert known.verify(key) is found


def test_brackets_are_a_port_not_a_character_class(known: KnownHosts, key: HostKey) -> None:
    write(known, entry("[web1]:2222", key.algorithm, key.blob))
    assert known.verify(HostKey("[web1]:2222", key.algorithm, key.blob))
    assert not known.verify(HostKey("w:2222", key.algorithm, key.blob))


def test_a_key_known_without_its_port_is_known(known: KnownHosts, key: HostKey, other: HostKey) -> None:
    write(known, entry("web1", key.algorithm, key.blob))
    assert known.verify(HostKey("[web1]:2222", key.algorithm, key.blob))
    assert not known.verify(HostKey("[web1]:2222", other.algorithm, other.blob))


def test_a_changed_key_is_refused_under_every_policy(known: KnownHosts, key: HostKey, other: HostKey) -> None:
    write(known, "# first", entry("web1", key.algorithm, key.blob))
    for policy in (HostKeyPolicy(), HostKeyPolicy(accept_new=True), HostKeyPolicy(ask=lambda _: True)):
        with pytest.raises(HostKeyError) as caught:
            policy.check(other, known, strict="no")
        for text in (f"{known.files[0]}:2", key.fingerprint, other.fingerprint):
            assert text in caught.value.message
        assert f"ssh-keygen -f {known.files[0]} -R web1" in caught.value.hint
    assert other.fingerprint not in known.files[0].read_text()


def test_a_key_of_another_type_counts_as_changed(tmp_path: Path, known: KnownHosts, key: HostKey) -> None:
    write(known, entry("web1", key.algorithm, key.blob))
    with pytest.raises(HostKeyError, match="has changed"):
        HostKeyPolicy(accept_new=True).check(HostKey("web1", *make_key(tmp_path, "ecdsa", "ec")), known)


def test_the_hint_of_a_changed_key_forgets_exactly_that_key(known: KnownHosts, key: HostKey, other: HostKey) -> None:
    write(known, entry("web2", key.algorithm, key.blob), entry("[web1]:2222", key.algorithm, key.blob))
    changed = HostKey("[web1]:2222", other.algorithm, other.blob)
    with pytest.raises(HostKeyError) as caught:
        known.verify(changed)
    subprocess.run(caught.value.hint.split("`")[1], shell=True, check=True, capture_output=True)  # noqa: S602
    assert not known.verify(changed)
    assert known.verify(HostKey("web2", key.algorithm, key.blob))


def test_a_revoked_key_is_refused_and_an_authority_is_no_key(known: KnownHosts, key: HostKey, other: HostKey) -> None:
    write(
        known,
        entry("@cert-authority *", key.algorithm, key.blob),
        entry("web1", other.algorithm, other.blob),
        entry("@revoked *", other.algorithm, other.blob),
    )
    with pytest.raises(HostKeyError, match=r"revoked.*known_hosts:3"):
        HostKeyPolicy(accept_new=True).check(other, known)
    write(known, entry("@cert-authority *", key.algorithm, key.blob))
    assert not known.verify(key)
    assert known.algorithms("web1") == []
    with pytest.raises(HostKeyError, match=r"is unknown.*no certificate of the @cert-authority in .*known_hosts:1"):
        HostKeyPolicy().check(key, known)


def test_an_unknown_key_is_refused_with_the_commands_that_help(known: KnownHosts, key: HostKey) -> None:
    with pytest.raises(HostKeyError) as caught:
        HostKeyPolicy().check(key, known, login="ssh -p 2222 root@web1")
    assert key.fingerprint in caught.value.message
    assert "`ssh -p 2222 root@web1`" in caught.value.hint
    assert "--accept-new-host-keys" in caught.value.hint


@pytest.mark.parametrize(
    ("policy", "strict", "accepted"),
    [
        (HostKeyPolicy(ask=lambda _: True), "ask", True),
        (HostKeyPolicy(ask=lambda _: False), "ask", False),
        (HostKeyPolicy(ask=lambda _: True), "yes", False),
        (HostKeyPolicy(accept_new=True), "yes", True),
        (HostKeyPolicy(), "accept-new", True),
        (HostKeyPolicy(), "no", True),
    ],
)
def test_who_decides_about_an_unknown_key(
    known: KnownHosts, key: HostKey, policy: HostKeyPolicy, strict: str, accepted: bool
) -> None:
    if accepted:
        policy.check(key, known, strict=strict)
    else:
        with pytest.raises(HostKeyError):
            policy.check(key, known, strict=strict)
    assert known.verify(key) is accepted


def test_two_hosts_behind_one_unknown_key_ask_once(known: KnownHosts, key: HostKey) -> None:
    asked: list[HostKey] = []

    def ask(shown: HostKey) -> bool:
        asked.append(shown)
        return True

    policy = HostKeyPolicy(ask=ask)
    threads = [threading.Thread(target=policy.check, args=(key, known)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [key]
    assert len(known.files[0].read_text().splitlines()) == 1


def test_a_known_hosts_that_cannot_be_written_is_named(tmp_path: Path, key: HostKey) -> None:
    (tmp_path / "file").touch()
    known = KnownHosts((tmp_path / "file" / "known_hosts",))
    with pytest.raises(HostKeyError, match="cannot be written to"):
        HostKeyPolicy(accept_new=True).check(key, known)
