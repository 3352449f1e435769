"""YAML with places, source text and plain words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.errors import ConfigError, Position
from provision.yamlfile import MAX_DEPTH, Node, describe, from_plain, load, parse, source_line

FILE = Path("vars.yml")

VALUES = [
    ("yes", True),
    ("Off", False),
    ("y", "y"),
    ("0644", 420),
    ("0o644", "0o644"),
    ("3.10", 3.1),
    ("1_000", 1000),
    ("0x1F", 31),
    ("1:30", 90),
    ("1e3", "1e3"),
    ("1.5e+3", 1500.0),
    (".inf", float("inf")),
    ("~", None),
    ("'3.10'", "3.10"),
    ("!!str 3.10", "3.10"),
    ("! 3.10", 3.1),
    ("2024-01-01", "2024-01-01"),
    ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
    ("=", "="),
    ("<<", "<<"),
    ("[1, [two]]", [1, ["two"]]),
    ("{a: {b: no}}", {"a": {"b": False}}),
    (
        "{1: one, yes: two, 3.10: three, 2024-01-01: four}",
        {"1": "one", "yes": "two", "3.10": "three", "2024-01-01": "four"},
    ),
    ("{a: &x {p: 1, q: 2}, b: {<<: *x, q: 3}}", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}),
    ("{<<: [{a: 1}, {a: 2, b: 2}], b: 3}", {"a": 1, "b": 3}),
    ("[&a one, *a]", ["one", "one"]),
    ("{&a key : 1, other: *a}", {"key": 1, "other": "key"}),
    ("|\n one\n two\n", "one\ntwo\n"),
    ("", None),
    ("# nothing but a comment", None),
    ("---\n...\n", None),
    ("\ufeffa: 1", {"a": 1}),
    ('{"json": ["\\u00e9", null]}', {"json": ["é", None]}),
]

ERRORS = [
    ("a:\n\tb: 1", "vars.yml:2:1", "a tab: YAML indents with spaces"),
    ("a:\n  b: 1\n\tc: 2", "vars.yml:3:1", "a tab: YAML indents with spaces"),
    ("a:\n  b: 1\n  \tc: 2", "vars.yml:3:3", "a tab: YAML indents with spaces"),
    ("a: 1\nb: 2\na: 3", "vars.yml:3:1", "the key 'a' is already in line 1"),
    ("{1: a, '1': b}", "vars.yml:1:8", "the key '1' is already in line 1"),
    ("a: @x", "vars.yml:1:4", "a value cannot begin with @"),
    ("a: `x`", "vars.yml:1:4", "a value cannot begin with `"),
    ("a: {{ x }}", "vars.yml:1:4", "a value that begins with {{ must be quoted"),
    ("a: {{ x }}/y", "vars.yml:1:4", "a value that begins with {{ must be quoted"),
    ("- {{ x }}", "vars.yml:1:3", "a value that begins with {{ must be quoted"),
    ("a: b: c", "vars.yml:1:5", "a ': ' that does not fit here"),
    ("a: 1\n b: 2", "vars.yml:2:3", "a ': ' that does not fit here"),
    ("a: 1\nfoo\nb: 2", "vars.yml:2:1", "a key without ':'"),
    ("a:\n  - b\n c: d", "vars.yml:3:2", "this line does not fit the mapping above it"),
    ("- a\nb: 1", "vars.yml:2:1", "this line does not fit the list above it"),
    ("a: - b", "vars.yml:1:4", "a list cannot start on the line of its key"),
    ("a: [1", "vars.yml:1:4", "this '[' is not closed, or a comma is missing"),
    ("a: {b: 1", "vars.yml:1:4", "this '{' is not closed, or a comma is missing"),
    ("a: 'x", "vars.yml:1:4", "this quote is never closed"),
    ('a: "\\q"', "vars.yml:1:5", "an unknown escape in double quotes"),
    ("a: ]", "vars.yml:1:4", "a value is missing here"),
    ("a: *x", "vars.yml:1:4", "the alias *x has no finished anchor &x above it"),
    ("a: &x [*x]", "vars.yml:1:8", "the alias *x has no finished anchor &x above it"),
    ("<<: 3", "vars.yml:1:1", "<< merges a mapping or a list of mappings, not a number"),
    ("<<: [{a: 1}, 3]", "vars.yml:1:1", "<< merges a mapping or a list of mappings, not a list"),
    ("[a]: b", "vars.yml:1:1", "a key must be text, not a list"),
    ("a: 1\n---\nb: 2", "vars.yml:2:1", "a second document in one file"),
    (
        "a: !vault |\n  62",
        "vars.yml:1:4",
        "this cannot be what ansible-vault wrote: it does not begin with $ANSIBLE_VAULT;1.1;AES256",
    ),
    (
        "a: !vault {b: c}",
        "vars.yml:1:4",
        "!vault belongs before the text that ansible-vault wrote, not a mapping",
    ),
    ("!vault x: 1", "vars.yml:1:1", "a key cannot be encrypted"),
    ("a: !unsafe x", "vars.yml:1:4", "the tag !unsafe is not supported yet"),
    ("a: !mine x", "vars.yml:1:4", "the tag !mine is not known"),
    ("a: !!binary x", "vars.yml:1:4", "the tag !!binary is not known"),
    ("a: !!set {x}", "vars.yml:1:4", "the tag !!set is not known"),
    ("a: !!pairs [x: 1]", "vars.yml:1:4", "the tag !!pairs is not known"),
    ("a: !!int x", "vars.yml:1:4", "'x' is not a valid int"),
    ("a: !!bool maybe", "vars.yml:1:4", "'maybe' is not a valid bool"),
    ("é: 1\na: \x07", "vars.yml:2:4", "a control character (U+0007) is not allowed in YAML"),
    ("a: \ud800", "vars.yml:1:4", "this is not UTF-8 text"),
    ("%FOO", "vars.yml:1:5", "not valid YAML: found unknown directive name"),
    (
        "$ANSIBLE_VAULT;1.1;AES256\n6162",
        "vars.yml:1:1",
        "this cannot be what ansible-vault wrote: it is damaged or cut",
    ),
    ("[" * 200, f"vars.yml:1:{MAX_DEPTH + 1}", "nested more than 100 levels deep"),
    ("- " * 100_000, f"vars.yml:1:{2 * MAX_DEPTH + 1}", "nested more than 100 levels deep"),
]


@pytest.mark.parametrize(("text", "value"), VALUES, ids=[text for text, _ in VALUES])
def test_values_are_those_of_yaml_1_1(text: str, value: object) -> None:
    # repr, because True == 1 and 1 == 1.0.
    assert repr(parse(text, FILE).plain()) == repr(value)


@pytest.mark.parametrize(("text", "position", "message"), ERRORS, ids=[text[:40] for text, _, _ in ERRORS])
def test_errors_say_where_and_what(text: str, position: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    assert (str(caught.value.position), caught.value.message) == (position, message)


def test_a_scalar_keeps_its_source_text() -> None:
    node = parse("[3.10, 0644, '0644', yes, |-\n  block\n]".replace("|-\n  block\n", '"x"'), FILE)
    assert isinstance(node.value, list)
    assert [(item.text, item.quoted) for item in node.value] == [
        ("3.10", False),
        ("0644", False),
        ("0644", True),
        ("yes", False),
        ("x", True),
    ]
    block = parse("a: |-\n  0644\n", FILE)
    assert isinstance(block.value, dict)
    assert (block.value["a"].text, block.value["a"].quoted) == ("0644", True)


def test_values_and_keys_have_their_places() -> None:
    node = parse("größe: &x\n  a: 1\nother: {<<: *x, b: [2, 3]}\n", FILE)
    assert isinstance(node.value, dict)
    assert node.position == Position(FILE, 1, 1)
    assert node.keys["other"] == Position(FILE, 3, 1)
    other = node.value["other"]
    assert other.position == Position(FILE, 3, 8)
    assert other.keys == {"a": Position(FILE, 2, 3), "b": Position(FILE, 3, 17)}
    assert isinstance(other.value, dict)
    assert list(other.value) == ["a", "b"], "merged keys come first, as in PyYAML"
    assert isinstance(other.value["b"].value, list)
    assert other.value["b"].value[1].position == Position(FILE, 3, 24)


def test_the_line_of_a_position(tmp_path: Path) -> None:
    file = tmp_path / "vars.yml"
    file.write_bytes("\ufeffa: 1\r\n\tb: größe\r\n".encode())
    assert source_line(Position(file, 1, 1)) == "a: 1"
    assert source_line(Position(file, 2, 5)) == "\tb: größe"
    assert source_line(Position(file, 9, 1)) == ""
    assert source_line(Position(tmp_path / "none", 1, 1)) == ""
    file.write_bytes(b"a\xffb")
    assert source_line(Position(file, 1, 1)) == "a\N{REPLACEMENT CHARACTER}b"


def test_lines_are_counted_as_libyaml_counts_them(tmp_path: Path) -> None:
    file = tmp_path / "vars.yml"
    file.write_text("a: 'x\u2028y'\nb: @\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.position is not None
    assert source_line(caught.value.position) == "b: @"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path / 'none.yml'}: cannot be read: No such file")):
        load(tmp_path / "none.yml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)
    latin = tmp_path / "latin.yml"
    latin.write_bytes("a: 1\nb: größe".encode("latin-1"))
    with pytest.raises(ConfigError, match="this is not UTF-8 text") as caught:
        load(latin)
    assert caught.value.position == Position(latin, 2, 6)


def test_plain_values_become_nodes() -> None:
    where = Position(Path("--set"), 1, 1)
    value = {"a": [1, True, None, "x", 2.5], "b": {"c": "3.10"}}
    node = from_plain(value, where)
    assert node.plain() == value
    assert node.keys == {"a": where, "b": where}
    assert isinstance(node.value, dict)
    assert isinstance(node.value["a"].value, list)
    assert [item.text for item in node.value["a"].value] == ["1", "true", "", "x", "2.5"]
    assert all(item.position == where for item in node.value["a"].value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("{}", "a mapping"), ("[]", "a list"), ("x", "text"), ("yes", "a boolean"), ("~", "nothing"), ("1", "a number")],
)
def test_types_have_plain_names(text: str, words: str) -> None:
    assert describe(parse(text, FILE)) == words


SIGNS = st.sampled_from("ab01_:,-?|>'\"{}[]&*!#%@`~<=\\ \n\t\r\0\x85\u2028\ufeff\ud800é")
WORDS = st.sampled_from(
    ["!!int ", "!!float ", "!!str ", "!!null ", "&a ", "*a", "---\n", "<<: ", "{{", "0x", "0b", ": "]
)


@given(st.text() | st.lists(SIGNS | WORDS, max_size=25).map("".join))
def test_no_text_raises_anything_but_config_error_with_a_place(text: str) -> None:
    found = _outcome(lambda: parse(text, FILE))
    place = found.position
    assert place is not None
    assert min(place.line, place.column) >= 1


@given(st.binary())
def test_no_bytes_raise_anything_but_config_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "bytes.yml"
    file.write_bytes(data)
    assert _outcome(lambda: load(file)).position is not None


def _outcome(read: Callable[[], Node]) -> Node | ConfigError:
    try:
        return read()
    except ConfigError as error:
        return error
