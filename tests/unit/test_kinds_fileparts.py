"""lineinfile and blockinfile on real files, under dash and bash, and their regular expressions against grep."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provision.resources.blockinfile import BlockInFile
from provision.resources.lineinfile import LineInFile
from provision.resources.regexp import ere

from .live_host import Host


@pytest.fixture(params=["dash", "bash"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(request.param, tmp_path_factory.mktemp("host"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose name a careless script falls over."""
    folder = tmp_path / "a b'c $(touch x) *"
    folder.mkdir()
    return folder / "-conf \\ $x"


def line(path: Path, line: str, **fields: str) -> LineInFile:
    return LineInFile(path=str(path), line=line, **fields)  # type: ignore[arg-type]  # all are text


PORT = "#Port 1\nPort 2\nother\n"


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (PORT, {"line": "Port 22", "regexp": "^#?Port "}, "#Port 1\nPort 22\nother\n"),
        (PORT, {"line": "Port 22"}, PORT + "Port 22\n"),
        (PORT, {"line": "#Port 1"}, PORT),
        ("a", {"line": "a"}, "a"),
        ("a", {"line": "b"}, "a\nb\n"),
        ("a\nb", {"line": "B", "regexp": "[bB]"}, "a\nB\n"),
        ("", {"line": ""}, "\n"),
        ("1.0\n", {"line": "1"}, "1.0\n1\n"),
        (PORT, {"line": "x", "insertafter": "^#?Port"}, "#Port 1\nPort 2\nx\nother\n"),
        (PORT, {"line": "x", "insertbefore": "Port"}, "#Port 1\nx\nPort 2\nother\n"),
        (PORT, {"line": "x", "insertbefore": "BOF"}, "x\n" + PORT),
        (PORT, {"line": "x", "insertafter": "nothing"}, PORT + "x\n"),
        (PORT, {"line": "x", "insertbefore": "nothing"}, PORT + "x\n"),
        (PORT, {"line": "x", "insertafter": "EOF"}, PORT + "x\n"),
        ("a\0\xff\r\n\x0c", {"line": "\\1 $(id) 'x' \"%s\" &"}, "a\0\xff\r\n\x0c\n\\1 $(id) 'x' \"%s\" &\n"),
    ],
)
def test_a_line_is_where_ansible_puts_it(
    host: Host, path: Path, before: str, wanted: dict[str, str], after: str
) -> None:
    path.write_bytes(before.encode("latin-1"))
    path.chmod(0o604)
    assert host.converge(line(path, **wanted)) == (set() if before == after else {f"line of {path}"})
    assert path.read_bytes() == after.encode("latin-1")
    assert path.stat().st_mode & 0o7777 == 0o604
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (PORT, {"regexp": "Port"}, "other\n"),
        (PORT, {"line": "other"}, "#Port 1\nPort 2\n"),
        (PORT, {"line": "Port"}, PORT),
        ("a\nb", {"line": "a"}, "b\n"),
        ("a\nb", {"line": "c"}, "a\nb"),
        ("a\n", {"line": "a"}, ""),
    ],
)
def test_lines_are_removed(host: Host, path: Path, before: str, wanted: dict[str, str], after: str) -> None:
    path.write_text(before)
    host.converge(LineInFile(path=str(path), state="absent", **wanted))  # type: ignore[arg-type]  # all are text
    assert path.read_text() == after


BLOCK = "# BEGIN ANSIBLE MANAGED BLOCK\none\n  two\n# END ANSIBLE MANAGED BLOCK\n"


@pytest.mark.parametrize(
    ("before", "fields", "after"),
    [
        ("a\nb", {}, "a\nb\n" + BLOCK),
        ("a\nb\n", {"insertafter": "a"}, "a\n" + BLOCK + "b\n"),
        ("a\nb\n", {"insertbefore": "BOF"}, BLOCK + "a\nb\n"),
        ("a\n" + BLOCK.replace("one", "other\nlines") + "b", {"insertafter": "EOF"}, "a\n" + BLOCK + "b"),
        ("a\n" + BLOCK + "b", {}, "a\n" + BLOCK + "b"),
        ("", {}, BLOCK),
    ],
)
def test_a_block_is_written_once(host: Host, path: Path, before: str, fields: dict[str, str], after: str) -> None:
    path.write_text(before)
    block = BlockInFile(path=str(path), block="one\n  two\n", **fields)  # type: ignore[arg-type]  # all are text
    assert host.converge(block) == (set() if before == after else {f"block of {path}"})
    assert path.read_text() == after


def test_a_block_is_removed(host: Host, path: Path) -> None:
    path.write_text("a\n" + BLOCK + "b")
    assert host.converge(BlockInFile(path=str(path), state="absent")) == {f"block of {path}"}
    assert path.read_text() == "a\nb"
    assert host.converge(BlockInFile(path=str(path))) == set()


def test_a_block_with_one_marker_is_left_to_its_owner(host: Host, path: Path) -> None:
    for text in ("# BEGIN ANSIBLE MANAGED BLOCK\na\n", "# END ANSIBLE MANAGED BLOCK\n# BEGIN ANSIBLE MANAGED BLOCK\n"):
        path.write_text(text)
        assert "mend it by hand" in host.fails(BlockInFile(path=str(path), block="x"))
        assert path.read_text() == text
    assert os.listdir(path.parent) == [path.name]


def test_two_blocks_have_two_markers(host: Host, path: Path) -> None:
    path.write_text("")
    for name in ("one", "two", "one"):
        host.converge(BlockInFile(path=str(path), block=name, marker=f"; {{mark}} {name}"))
    assert path.read_text() == "; BEGIN one\none\n; END one\n; BEGIN two\ntwo\n; END two\n"


def test_a_file_is_made_only_where_that_is_asked_for(host: Host, path: Path) -> None:
    assert "create: true makes one" in host.fails(line(path, "x"))
    assert host.converge(LineInFile(path=str(path), line="x", state="absent")) == set()
    assert host.converge(LineInFile(path=str(path), line="x", create=True)) == {f"line of {path}"}
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("x\n", 0o644)
    assert "the folder of" in host.fails(LineInFile(path=f"{path}-/y/z", line="x", create=True))
    assert "is no regular file" in host.fails(LineInFile(path=str(path.parent), line="x", create=True))


def test_a_link_is_followed(host: Host, path: Path) -> None:
    (path.parent / "link").symlink_to(path.name)
    path.write_text("a\n")
    host.converge(line(path.parent / "link", "b"))
    assert (path.parent / "link").is_symlink()
    assert path.read_text() == "a\nb\n"


def test_a_file_that_does_not_validate_stays(host: Host, path: Path) -> None:
    path.write_text("good\n")
    bad = LineInFile(path=str(path), line="bad", regexp="good|bad", validate="grep -q good %s")
    assert "nothing was changed" in host.fails(bad)
    assert path.read_text() == "good\n"


TEXT = st.lists(st.sampled_from(["", "a", "ab", "b", "# BEGIN x", "# END x"]), max_size=6)


def once(host: Host, path: Path, part: LineInFile | BlockInFile) -> bytes:
    """What one step makes of the file; whether it is due is what the read says."""
    before, diff = path.read_bytes(), host.diff(part)
    outcome = host.apply(part, diff)
    assert outcome.status == 0, outcome.output
    assert bool(diff.changes) == (path.read_bytes() != before)
    return path.read_bytes()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=TEXT, end=st.sampled_from(["", "\n"]), wanted=st.sampled_from(["a", "ab"]), match=st.sampled_from("ab"))
def test_a_second_run_finds_nothing_to_do(
    host: Host, path: Path, lines: list[str], end: str, wanted: str, match: str
) -> None:
    path.write_text("\n".join(lines) + (end if lines else ""))
    parts = [
        LineInFile(path=str(path), line=wanted, regexp=match if match in wanted else None, insertbefore=match),
        LineInFile(path=str(path), regexp=match, state="absent"),
    ]
    for part in parts:
        assert once(host, path, part) == once(host, path, part)


SUBJECTS = ["Port 22", "#Port  22", "aa", "a{", "{a}", "xxy", "ababc", "1.2", "]", "^", "-", "a-z", "-'<", "\t", "aab"]
SUBJECTS += ["", "^$.", "a foo b", "foobar", "a_b-c=", "\\", "/etc/x", "# x", '"x"', "é", "[x]", "#\ttab", "a+", "b"]


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"^#?Port\s+\d+", r"a{2}", r"a{", r"{a}", r"x{,2}y", r"(?:ab)+c", r"[\d.]+$", r"[]a]", r"[^]a]", r"[\]\-^]"),
        *(r"[a\-z]", r"\-\'\<", r"\t", r"a+?b", r"a??b", r"[\^]", r"\^\$\.", r"(a)\1", r"\bfoo\b", r"[\w-]+=", r"a|b"),
        *(r"(|a)c", r"^$", r"\\", r"[\\]", r"\/etc\/x", r"[^#\s]", r"\"x\"", r"[-a]", r"é+", r"\[x\]", r"#\ttab"),
        *(r"\Aa\Z", r"\D", r"[\t]", r"a\+", r"}"),
    ],
)
def test_grep_finds_what_python_finds(pattern: str) -> None:
    command = ["grep", "-anE", "-e", ere(pattern)]
    environment = {"LC_ALL": "C.UTF-8", "PATH": os.defpath}
    found = subprocess.run(command, input="\n".join(SUBJECTS), env=environment, capture_output=True, text=True)
    numbers = [int(hit.partition(":")[0]) for hit in found.stdout.splitlines()]
    assert numbers == [number for number, subject in enumerate(SUBJECTS, 1) if re.search(pattern, subject)]
    assert found.stderr == ""


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("(?i)a", "(?i"),
        ("(?P<x>a)", "(?P"),
        ("a(?=b)", "(?="),
        ("a*+", "*+"),
        ("[[:space:]]", "write \\[ for a bracket"),
        ("\\x41", "\\x"),
        ("(", "is no regular expression"),
        ("(?:a)(b)\\1", "both (?:...) and \\1"),
        ("a\nb", "line break"),
        ("[\\D]", "\\D"),
        ("[à-ü]", "list its letters"),
    ],
)
def test_what_grep_lacks_is_refused(pattern: str, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        ere(pattern)
