"""Real reads and steps of the kinds that need no real system, under dash and bash, in a folder of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provision.resources.base import Content, LocalFile, Rendered
from provision.resources.command import Command, ShellCommand
from provision.resources.copy import Copy
from provision.resources.fields import Mode
from provision.resources.file import File
from provision.resources.template import Template

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


def test_copy_writes_and_repairs(host: Host, folder: Path) -> None:
    dest = folder / "-file \\ of ünïcode"
    wanted = Copy(dest=str(dest), content="one\ntwo", mode=Mode("0640"), **ME)
    assert host.converge(wanted) >= {"type", "sha256", "mode"}
    assert dest.read_text() == "one\ntwo"
    assert host.converge(wanted) == set()
    dest.chmod(0o4755)
    assert host.converge(wanted) == {"mode"}
    dest.write_text("edited by hand")
    assert host.converge(wanted) == {"sha256"}
    assert os.listdir(folder) == [dest.name]


def test_copy_replaces_a_link_and_leaves_its_target(host: Host, folder: Path) -> None:
    (folder / "target").write_text("another's")
    (folder / "dest").symlink_to("target")
    host.converge(Copy(dest=str(folder / "dest"), src=LocalFile("x", b"\0\xff"), **ME))
    assert not (folder / "dest").is_symlink()
    assert (folder / "dest").read_bytes() == b"\0\xff"
    assert (folder / "target").read_text() == "another's"


def test_copy_takes_the_place_of_what_an_earlier_run_left(host: Host, folder: Path) -> None:
    (folder / "elsewhere").write_text("safe")
    (folder / ".dest.provision").symlink_to("elsewhere")
    host.converge(Template(dest=str(folder / "dest"), src=Rendered("x.j2", "text\n"), **ME))
    assert (folder / "elsewhere").read_text() == "safe"
    assert sorted(os.listdir(folder)) == ["dest", "elsewhere"]


def test_copy_needs_a_folder_and_no_folder_in_the_way(host: Host, folder: Path) -> None:
    assert "is no folder: make it by a task" in host.fails(Copy(dest=str(folder / "a" / "b"), content="", **ME))
    (folder / "a").mkdir()
    assert "is a folder where a file is wanted" in host.fails(Copy(dest=str(folder / "a"), content="", **ME))
    assert os.listdir(folder / "a") == []


def test_a_file_that_does_not_validate_changes_nothing(host: Host, folder: Path) -> None:
    dest = folder / "dest"
    dest.write_text("good\n")
    wanted = Copy(dest=str(dest), content="bad\n", validate="grep -q good '%s'", **ME)
    assert "nothing was changed" in host.fails(wanted)
    assert dest.read_text() == "good\n"
    host.converge(Copy(dest=str(dest), content="good and new\n", validate="grep -q good '%s'", **ME))
    assert os.listdir(folder) == ["dest"]


def test_a_tree_is_validated_with_the_new_file_in_it(host: Host, folder: Path) -> None:
    (folder / "sites").mkdir()
    (folder / "main").write_text("import sites/*\n")
    seen = folder / "seen"
    check = f'sh -c \'cd "$1" && ls -A . sites && pwd >"$2" && grep -q good sites/new\' sh %s {str(seen)!r}'
    wanted = Copy(dest=str(folder / "sites/new"), content="bad", validate=check, validate_tree=str(folder), **ME)
    shown = host.fails(wanted)
    assert shown.split()[:6] == [".:", "main", "sites", "sites:", "new", "validate"]
    copied = Path(seen.read_text().strip())
    assert copied.is_relative_to("/tmp")
    assert not copied.parent.exists()
    assert os.listdir(folder / "sites") == []
    host.converge(Copy(dest=wanted.dest, content="good", validate=check, validate_tree=str(folder), **ME))
    assert os.listdir(folder / "sites") == ["new"]


def test_a_preview_is_the_text_or_nothing(host: Host, folder: Path) -> None:
    dest = folder / "dest"
    dest.write_text("old\n")
    preview = Copy(dest=str(dest), content="new\n").preview()
    assert preview is not None
    assert preview.text == "new\n"
    assert host.survey({preview.read})[Content(str(dest))] == {"text": "old\n", "readable": "yes"}
    assert Copy(dest=str(dest), src=LocalFile("x", b"\xff")).preview() is None
    assert Copy(dest=str(dest), content="x" * 65537).preview() is None


def test_file_makes_a_folder_of_any_depth(host: Host, folder: Path) -> None:
    wanted = File(path=str(folder / "a/b/"), state="directory", mode=Mode("2750"), **ME)
    assert host.converge(wanted) == {"type", "mode", "owner", "group"}
    assert host.converge(wanted) == set()
    assert (folder / "a").stat().st_mode & 0o7777 == 0o755
    (folder / "a/b").chmod(0o700)
    assert host.converge(wanted) == {"mode"}
    assert host.converge(File(path=str(folder / "a/b"), state="directory", mode=Mode("0750"))) == {"mode"}


def test_file_makes_and_turns_a_link(host: Host, folder: Path) -> None:
    path = folder / "active"
    path.write_text("in the way")
    assert host.converge(File(path=str(path), state="link", src="slots/green", **ME)) >= {"type", "target"}
    assert host.converge(File(path=str(path), state="link", src="slots/-blue $x")) == {"target"}
    assert os.readlink(path) == "slots/-blue $x"
    assert os.listdir(folder) == ["active"]


def test_file_leaves_what_is_in_the_way(host: Host, folder: Path) -> None:
    (folder / "full").mkdir()
    (folder / "full/x").touch()
    (folder / "link").symlink_to("full")
    assert "is a folder where a link is wanted" in host.fails(File(path=str(folder / "full"), state="link", src="/"))
    assert "regular empty file; move it away" in host.fails(File(path=str(folder / "full/x"), state="directory"))
    assert "symbolic link; move it away" in host.fails(File(path=str(folder / "link"), state="directory"))
    assert "is no regular file" in host.fails(File(path=str(folder / "link")))
    assert sorted(os.listdir(folder)) == ["full", "link"]


def test_file_removes_a_tree_and_not_what_a_link_in_it_points_to(host: Host, folder: Path) -> None:
    (folder / "kept").mkdir()
    (folder / "kept/x").touch()
    (folder / "gone").mkdir()
    (folder / "gone/link").symlink_to("../kept")
    host.converge(File(path=str(folder / "gone"), state="absent"))
    assert os.listdir(folder) == ["kept"]
    assert os.listdir(folder / "kept") == ["x"]


def test_file_changes_the_mode_of_a_file(host: Host, folder: Path) -> None:
    (folder / "x").write_text("content")
    assert host.converge(File(path=str(folder / "x"), mode=Mode("0600"))) <= {"mode"}
    assert (folder / "x").read_text() == "content"


def test_command_takes_its_words_as_they_are(host: Host, folder: Path) -> None:
    words = ("sh", "-c", 'printf "%s|" "$@" >made', "sh", "", "a  b", "$HOME", "*", "'", "if")
    command = Command(argv=words, chdir=str(folder), creates="made", environment={"LANG": "$(id)"})
    assert host.converge(command) == {"due"}
    assert (folder / "made").read_text() == "|a  b|$HOME|*|'|if|"
    assert host.converge(command) == set()


def test_command_asks_its_guard_again_before_it_runs(host: Host, folder: Path) -> None:
    command = Command(cmd="sh -c 'echo again >>made'", chdir=str(folder), creates="made")
    stale = host.diff(command)
    assert stale.changes
    (folder / "made").write_text("by another\n")
    assert host.apply(command, stale).status == 0
    assert (folder / "made").read_text() == "by another\n"


def test_command_that_does_not_bring_about_what_it_says(host: Host, folder: Path) -> None:
    assert "is still not so" in host.fails(Command(cmd="true", creates=str(folder / "never")))
    assert host.apply(Command(cmd="false", creates="/never"), host.diff(Command(cmd="a", creates="/never"))).status == 1


def test_command_removes(host: Host, folder: Path) -> None:
    (folder / "x").symlink_to("nowhere")
    command = Command(argv=("rm", str(folder / "x")), removes=str(folder / "x"))
    assert host.converge(command) == {"due"}
    assert host.converge(command) == set()


@pytest.mark.parametrize("unless", ["if ; then", "exit 1", "test -e 'a\nb' # comment"])
def test_a_test_that_fails_in_any_way_means_due(host: Host, folder: Path, unless: str) -> None:
    assert host.diff(ShellCommand(cmd="true", chdir=str(folder), unless=unless)).changes


@pytest.mark.parametrize("unless", ["exit 0", "cat", "false\ntrue # comment", "echo noise; echo noise >&2", "x=$unset"])
def test_a_test_that_succeeds_in_any_way_means_not_due(host: Host, folder: Path, unless: str) -> None:
    assert not host.diff(ShellCommand(cmd="true", chdir=str(folder), unless=unless)).changes


def test_shell_runs_its_text_with_its_environment(host: Host, folder: Path) -> None:
    text = 'read -r line || :\nfor x in 1 2; do\n  echo "$x $GREETING" >>made\ndone'
    command = ShellCommand(cmd=text, chdir=str(folder), creates="made", environment={"GREETING": "it's\n$me"})
    assert host.converge(command) == {"due"}
    assert (folder / "made").read_text() == "1 it's\n$me\n2 it's\n$me\n"
