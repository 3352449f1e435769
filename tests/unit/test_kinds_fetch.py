"""get_url, unarchive and git under dash and bash: a real server, real archives, a real repository."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import shutil
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from provision.resources.base import LocalFile
from provision.resources.fields import Mode
from provision.resources.get_url import GetUrl
from provision.resources.git import Git
from provision.resources.unarchive import Unarchive

from .live_host import ME, Host


@pytest.fixture(params=["dash", "bash"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(request.param, tmp_path_factory.mktemp("host"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name a careless script falls over."""
    path = tmp_path / "a b'c $(touch x) *"
    path.mkdir()
    return path


class Server(http.server.ThreadingHTTPServer):
    """Gives ``data`` at any path but /none, and keeps the headers it was asked with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.data = b"tool\0\xff"
        self.heard: list[tuple[str | None, str | None]] = []
        self.url = f"http://me:secret@127.0.0.1:{self.server_port}/tool?token=1"

    @property
    def checksum(self) -> str:
        return "sha256:" + hashlib.sha256(self.data).hexdigest()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.heard.append((self.headers.get("X-Key"), self.headers.get("Authorization")))
        self.send_response(404 if self.path.startswith("/none") else 200)
        self.send_header("Content-Length", str(len(self.server.data)))
        self.end_headers()
        self.wfile.write(self.server.data)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_get_url_downloads_once(host: Host, folder: Path, server: Server) -> None:
    dest = folder / "-tool"
    dest.symlink_to("elsewhere")
    wanted = GetUrl(
        url=server.url,
        dest=str(dest),
        checksum=server.checksum,
        mode=Mode("0750"),
        headers={"X-Key": 'a "b" \\c'},
        **ME,
    )
    assert host.converge(wanted) >= {"type", "sha256"}
    assert (dest.is_symlink(), dest.read_bytes(), dest.stat().st_mode & 0o777) == (False, server.data, 0o750)
    assert host.converge(wanted) == set()
    dest.chmod(0o600)
    assert host.converge(wanted) == {"mode"}
    assert [key for key, _ in server.heard] == ['a "b" \\c']
    assert os.listdir(folder) == ["-tool"]


@pytest.mark.parametrize("client", ["curl", "wget", "none"])
def test_get_url_takes_nothing_else(host: Host, folder: Path, server: Server, tmp_path: Path, client: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("cat", "cut", "install", "mv", "rm", "sha256sum", "sync", *((client,) if client != "none" else ())):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    dest = folder / "tool"
    dest.write_text("old")
    wrong = GetUrl(url=server.url, dest=str(dest), checksum="sha256:" + 64 * "0", **ME)
    outcome = host.apply(wrong, host.diff(wrong), PATH=str(tools))
    assert outcome.status != 0
    assert "secret" not in outcome.output
    assert "token" not in outcome.output
    said = "neither curl nor wget" if client == "none" else f"gave a file with another checksum: {server.checksum}"
    assert said in outcome.output
    assert (dest.read_text(), os.listdir(folder)) == ("old", ["tool"])
    assert [login is not None for _, login in server.heard] == ([] if client == "none" else [True])


def test_get_url_says_what_is_not_there(host: Host, folder: Path, server: Server) -> None:
    missing = GetUrl(url=server.url.replace("/tool", "/none"), dest=str(folder / "x"), checksum=server.checksum, **ME)
    assert "/none could not be downloaded" in host.fails(missing)


FILES = {"top/a file": b"a", "top/bin/-x": b"x"}


def packed(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


TAR = packed(FILES)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_archive_is_unpacked_once(host: Host, folder: Path) -> None:
    (folder / "top").mkdir()
    (folder / "top/a file").write_text("old")
    (folder / "kept").write_text("kept")
    wanted = Unarchive(src=LocalFile("/role/a.tgz", TAR), dest=str(folder), **ME)
    assert host.converge(wanted) == {"sha256"}
    assert host.converge(wanted) == set()
    found = content(folder)
    assert found.pop(".a.tgz.unarchived").startswith(hashlib.sha256(TAR).hexdigest().encode())
    assert found == {**FILES, "kept": b"kept"}
    changed = Unarchive(src=LocalFile("/role/a.tgz", packed({"top/a file": b"new"})), dest=str(folder), **ME)
    assert host.converge(changed) == {"sha256"}
    assert content(folder)["top/a file"] == b"new"


def test_an_archive_of_the_host_is_known_by_its_checksum(host: Host, folder: Path) -> None:
    archive = folder / "b.tar.gz"
    archive.write_bytes(TAR)
    (folder / "dest").mkdir()
    fields: dict[str, Any] = {"src": str(archive), "remote_src": True, "dest": str(folder / "dest"), **ME}
    checksum = "sha256:" + hashlib.sha256(TAR).hexdigest()
    host.converge(Unarchive(**fields, checksum=checksum, extra_opts=("--strip-components=1",)))
    assert set(content(folder / "dest")) == {"a file", "bin/-x", ".b.tar.gz.unarchived"}
    assert "has another checksum" in host.fails(Unarchive(**fields, checksum="sha256:" + 64 * "0"))
    assert "and still there is no" in host.fails(Unarchive(**fields, creates=str(folder / "dest/nothing")))
    assert host.converge(Unarchive(**fields, creates=str(folder / "dest/bin/-x"))) == set()


def test_a_broken_archive_changes_nothing(host: Host, folder: Path) -> None:
    for src in (LocalFile("a.tgz", TAR[:-40]), LocalFile("a.tgz", b"no archive")):
        assert host.fails(Unarchive(src=src, dest=str(folder), **ME))
        assert os.listdir(folder) == []
    nowhere = Unarchive(src=LocalFile("a.tgz", TAR), dest=str(folder / "x"), **ME)
    assert "is no folder: make it by a task" in host.fails(nowhere)
    missing = Unarchive(src=str(folder / "x.tgz"), remote_src=True, dest=str(folder), creates="/nothing", **ME)
    assert "there is no archive" in host.fails(missing)


def test_a_zip_needs_unzip(host: Host, folder: Path, tmp_path: Path) -> None:
    """What unzip is called with, since it is not on every machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x", "y")
    wanted = Unarchive(src=LocalFile("a.ZIP", buffer.getvalue()), dest=str(folder), extra_opts=("-j",), **ME)
    tool = tmp_path / "unzip"
    tool.write_text('#!/bin/sh\necho "$1 $2 $4" >"$5/called"\n')
    tool.chmod(0o755)
    outcome = host.apply(wanted, host.diff(wanted), PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert outcome.status == 0, outcome.output
    assert (folder / "called").read_text() == "-q -j -d\n"


class Origin:
    """A repository with two commits and a tag at each."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.git("init", "--quiet", "--initial-branch=main", str(folder))
        self.first, self.second = self.commit("1"), self.commit("2")

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "protocol.file.allow=always")
        folder = ("-C", str(self.path)) if words[0] != "init" else ()
        return subprocess.run(["git", *who, *folder, *words], check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, text: str) -> str:
        (self.path / "file").write_text(text)
        self.git("add", "file")
        self.git("commit", "--quiet", "--message", text)
        self.git("tag", "--annotate", "--message", text, f"v{text}")
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    return Origin(tmp_path_factory.mktemp("origin"))


def test_git_checks_out_one_commit(host: Host, folder: Path, origin: Origin) -> None:
    dest, repo = folder / "checkout", f"file://{origin.path}"
    assert host.converge(Git(repo=repo, dest=str(dest), version="v1", depth=1)) == {"repo", "tag v1", "modified"}
    assert (dest / "file").read_text() == "1"
    assert len(subprocess.check_output(["git", "-C", dest, "rev-list", "HEAD"]).split()) == 1
    wanted = Git(repo=repo, dest=str(dest), version=origin.second)
    assert host.converge(wanted) == {"commit"}
    assert host.converge(wanted) == set()
    assert host.converge(Git(repo=repo, dest=str(dest), version="v2")) == {"tag v2"}
    (dest / ".git/index.lock").touch()
    assert host.converge(Git(repo=repo, dest=str(dest), version="v1")) == {"tag v1"}


def test_git_leaves_changes_made_by_hand(host: Host, folder: Path, origin: Origin) -> None:
    fields: dict[str, Any] = {"repo": str(origin.path), "dest": str(folder), "version": origin.first}
    host.converge(Git(**fields))
    (folder / "file").write_text("by hand")
    (folder / "unknown").write_text("stays")
    shown = host.fails(Git(**fields))
    assert "force: true discards that:\n M file" in shown
    assert host.converge(Git(**fields, force=True)) == {"modified"}
    assert ((folder / "file").read_text(), (folder / "unknown").read_text()) == ("1", "stays")


def test_git_says_what_is_in_the_way(host: Host, folder: Path, origin: Origin) -> None:
    assert "git could not fetch dev" in host.fails(Git(repo=str(origin.path), dest=str(folder / "x"), version="dev"))
    (folder / "other").touch()
    blocked = Git(repo=str(origin.path), dest=str(folder), version="v1")
    assert "is no checkout and not empty" in host.fails(blocked)
    assert "git is not installed" in host.apply(blocked, host.diff(blocked), PATH="/nothing").output
