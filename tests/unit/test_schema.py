"""Fields of a kind and variables of a role: what is taken, as what, and what is refused where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from provision import argument_specs
from provision.content import folder_content
from provision.errors import ConfigError
from provision.project import read_project
from provision.resources.base import Diff, Facts, LocalFile, Read, Rendered, Stat, State, Step
from provision.resources.fields import Expression, Mode, option
from provision.schema import Module, fields_of
from provision.source import SourceTree
from provision.templating import OMIT
from provision.yamlfile import Node, parse

FILE = Path("task.yml")
MAPPING = "Write one `name: value` per line, indented and without dashes."


@dataclass(frozen=True)
class Thing:
    """A kind with a field of every type there is."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("path", "depth")

    path: str = field(metadata=option(aliases=("dest", "name")))
    state: Literal["present", "absent"] = "present"
    level: Literal[1, 2] = 1
    owner: str | None = None
    mode: Mode = field(default=Mode("0644"))
    depth: int = 1
    force: bool = False
    ratio: float = 0.5
    groups: tuple[str, ...] = ()
    ports: tuple[int, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    src: LocalFile | None = None
    text: Rendered | None = None
    tree: SourceTree | None = None
    env: Mapping[str, Any] = field(default_factory=dict)
    lazy: Literal[True, "maybe"] = "maybe"
    password: str = field(default="", metadata=option(no_log=True))

    def __post_init__(self) -> None:
        if self.state == "absent" and self.owner:
            raise ValueError("owner goes with state: present only")

    def reads(self) -> Iterable[Read]:
        return (Stat(self.path),)

    def desired(self, facts: Facts) -> State:
        return {}

    def change(self, diff: Diff) -> list[Step]:
        return []


@dataclass(frozen=True)
class Late(Thing):
    """A field that must be given although it has a default."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("path",)

    url: str = field(default="", metadata=option(required=True))


EMPTY = folder_content(Path("app"), frozenset())
TREE = SourceTree(Path("app"), (), "0" * 64, EMPTY, read_project(EMPTY))


class FakeFiles:
    def local(self, path: Node) -> LocalFile:
        return LocalFile(path.text, b"local")

    def rendered(self, path: Node) -> Rendered:
        return Rendered(path.text, "rendered")

    def tree(self, path: Node) -> SourceTree:
        return TREE

    def expression(self, node: Node) -> Expression:
        return Expression(node.text, True, str(node.position))


THING = Module("thing", Thing)


def build(text: str, module: Module = THING) -> Any:
    node = parse(text, FILE)
    return module.build(module.given(node, node.position), lambda child: child, FakeFiles(), node.position)


TAKEN = [
    ("path", "3.10", "3.10"),
    ("path", "0644", "0644"),
    ("path", "yes", "yes"),
    ("path", "''", ""),
    ("state", "absent", "absent"),
    ("level", "2", 2),
    ("level", "'2'", 2),
    ("owner", "null", None),
    ("owner", "1000", "1000"),
    ("mode", "0644", "0644"),
    ("mode", "'0644'", "0644"),
    ("mode", "644", "0644"),
    ("mode", "'644'", "0644"),
    ("mode", "0o755", "0755"),
    ("mode", "1777", "1777"),
    ("mode", "01777", "1777"),
    ("depth", "3", 3),
    ("depth", "'3'", 3),
    ("force", "yes", True),
    ("force", "'no'", False),
    ("force", "1", True),
    ("ratio", "1", 1.0),
    ("ratio", "0.25", 0.25),
    ("ratio", "'.5'", 0.5),
    ("groups", "[a, 1.10]", ("a", "1.10")),
    ("groups", "a", ("a",)),
    ("groups", "[]", ()),
    ("ports", "[80, '443']", (80, 443)),
    ("ports", "80", (80,)),
    ("ports", "null", None),
    ("environment", "{DEBUG: yes, RATE: 1.50}", {"DEBUG": "yes", "RATE": "1.50"}),
    ("src", "a.conf", LocalFile("a.conf", b"local")),
    ("tree", ".", TREE),
    ("env", "{a: yes, b: [1]}", {"a": True, "b": [1]}),
    ("lazy", "yes", True),
    ("lazy", "maybe", "maybe"),
    ("text", "a.j2", Rendered("a.j2", "rendered")),
]


@pytest.mark.parametrize(("name", "written", "value"), TAKEN)
def test_a_field_takes(name: str, written: str, value: object) -> None:
    prefix = "" if name == "path" else "path: /a, "
    built = getattr(build(f"{{{prefix}{name}: {written}}}"), name)
    assert (built, type(built)) == (value, type(value))


def test_numbers_of_any_type_keep_their_text() -> None:
    assert [str(value) for value in build("{path: /a, env: {a: 3.10, b: 0644, c: 1}}").env.values()] == [
        "3.10",
        "0644",
        "1",
    ]


def test_an_alias_is_another_name() -> None:
    assert build("dest: /a").path == "/a"


def test_defaults_are_those_of_the_kind() -> None:
    assert build("path: /a") == Thing("/a")


def test_omitted_fields_count_as_not_given() -> None:
    assert build(f"{{path: /a, mode: {OMIT}}}").mode == "0644"
    with pytest.raises(ConfigError, match="thing needs path"):
        build(f"path: {OMIT}")


REFUSED = [
    ("path: /a\nonwer: x", "2:1", "thing has no field onwer", "Did you mean owner?"),
    (
        "path: /a\nzzz: x",
        "2:1",
        "thing has no field zzz",
        "Its fields: path, state, level, owner, mode, depth, force, ratio, groups, ports, environment, src, text, tree,"
        " env, lazy, password.",
    ),
    ("path: /a\ndest: /b", "2:1", "thing has path twice", "dest is another name of path."),
    ("state: absent", "1:1", "thing needs path", ""),
    ("null", "1:1", "thing needs path", ""),
    ("[a]", "1:1", "thing must be a mapping of its fields, not a list", ""),
    ("path: [/a]", "1:7", "path of thing must be text, not a list", ""),
    ("path: ", "1:6", "path of thing must be text, not nothing", ""),
    (
        "path: /a\nstate: presnt",
        "2:8",
        "state of thing must be one of present, absent, not 'presnt'",
        "Did you mean present?",
    ),
    ("path: /a\nlevel: 3", "2:8", "level of thing must be one of 1, 2, not '3'", ""),
    ("path: /a\ndepth: 1.5", "2:8", "depth of thing must be a whole number, not '1.5'", ""),
    ("path: /a\ndepth: yes", "2:8", "depth of thing must be a whole number, not 'yes'", ""),
    ("path: /a\ndepth: '1 2'", "2:8", "depth of thing must be a whole number, not '1 2'", ""),
    ("path: /a\nenv: [A]", "2:6", "env of thing must be a mapping, not a list", MAPPING),
    ("path: /a\nlazy: no", "2:7", "lazy of thing must be one of True, maybe, not 'no'", ""),
    ("path: /a\nforce: maybe", "2:8", "force of thing must be true or false, not 'maybe'", ""),
    ("path: /a\nforce: 2", "2:8", "force of thing must be true or false, not '2'", ""),
    ("path: /a\nratio: half", "2:8", "ratio of thing must be a number, not 'half'", ""),
    ("path: /a\ngroups: a, b", "2:9", "groups of thing must be a list, not 'a, b'", "Write [a, b]."),
    (
        "path: /a\ngroups: {a: 1}",
        "2:9",
        "groups of thing must be a list, not a mapping",
        "Write [ONE, TWO], or each item after a dash on a line of its own.",
    ),
    ("path: /a\ngroups: [a, [b]]", "2:13", "groups of thing must be text, not a list", ""),
    ("path: /a\nports: [80, http]", "2:13", "ports of thing must be a whole number, not 'http'", ""),
    ("path: /a\nenvironment: [A]", "2:14", "environment of thing must be a mapping, not a list", MAPPING),
    ("path: /a\nenvironment: {A: [1]}", "2:18", "A in environment of thing must be text, not a list", ""),
    ("path: /a\nmode: u=rw,g=r", "2:7", "mode of thing must be octal digits, not 'u=rw,g=r'", 'Write "0640".'),
    ("path: /a\nmode: a=rx,u=rwx", "2:7", "mode of thing must be octal digits, not 'a=rx,u=rwx'", 'Write "0755".'),
    (
        "path: /a\nmode: u+x",
        "2:7",
        "mode of thing must be octal digits, not 'u+x'",
        "Write the four octal digits that are wanted.",
    ),
    ("path: /a\nmode: 0888", "2:7", "mode of thing must be octal digits such as 0644, not '0888'", ""),
    ("path: /a\nmode: 64", "2:7", "mode of thing must be octal digits such as 0644, not '64'", ""),
    ("path: /a\nmode: preserve", "2:7", "mode of thing must be octal digits such as 0644, not 'preserve'", ""),
    ("path: /a\nstate: absent\nowner: x", "3:8", "thing: owner goes with state: present only", ""),
    (
        "path=/a state='a b'",
        "1:1",
        "thing takes a mapping of its fields, not text",
        "Write:\nthing:\n  path: /a\n  state: a b",
    ),
    ("echo it's", "1:1", "thing takes a mapping of its fields, not text", "Write:\nthing:\n  path: echo it's"),
]


@pytest.mark.parametrize(("text", "place", "message", "hint"), REFUSED)
def test_a_field_refuses(text: str, place: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(text)
    error = caught.value
    assert (error.message, error.hint, str(error.position)) == (message, hint, f"task.yml:{place}")


def test_a_field_may_be_required_in_spite_of_its_default() -> None:
    with pytest.raises(ConfigError, match=r"thing needs path and url"):
        build("{}", Module("thing", Late))


def test_an_identity_is_enough_to_read() -> None:
    given = THING.given(parse("{path: /a, owner: x}", FILE), parse("", FILE).position)
    asked: list[str] = []

    def resolve(node: Node) -> Node:
        asked.append(node.text)
        return node

    partial = THING.identity(given, resolve, FakeFiles())
    assert (set(partial.reads()), asked, getattr(partial, "depth", None)) == ({Stat("/a")}, ["/a"], 1)
    assert not hasattr(partial, "__dict__") or "owner" not in vars(partial)


def test_secrets_are_known_by_their_field() -> None:
    place = parse("", FILE).position
    assert THING.has_secret(THING.given(parse("{path: /a, password: x}", FILE), place))
    assert not THING.has_secret(THING.given(parse("{path: /a}", FILE), place))


def test_fields_are_described_for_the_reference() -> None:
    described = {one.name: (one.type, one.required, one.default, one.choices) for one in fields_of(Thing)}
    assert described["path"] == ("str", True, None, ())
    assert described["state"] == ("str", False, "present", ("present", "absent"))
    assert described["mode"] == ("mode", False, "0644", ())
    assert described["ports"] == ("list of int", False, None, ())
    assert described["environment"] == ("dict", False, {}, ())
    assert described["src"] == ("path", False, None, ())
    assert described["level"] == ("int", False, 1, (1, 2))
    assert next(one.aliases for one in fields_of(Thing)) == ("dest", "name")


SPECS = """\
argument_specs:
  main:
    short_description: x
    options:
      app_version: {type: str, description: [The version., Text.]}
      app_workers: {type: int}
      app_debug: {type: bool, default: false}
      app_ratio: {type: float}
      app_level: {choices: [low, high]}
      app_names: {type: list, elements: str}
      app_colours: {type: list, elements: str, choices: [red, blue]}
      app_anything: {type: raw}
      app_env: {type: dict}
      app_site: {type: dict, options: {port: {type: int, required: true}, host: {type: str}}}
      app_sites: {type: list, elements: dict, options: {port: {type: int}}}
      app_key: {type: path, required: true, no_log: true, description: The key.}
"""


def convert(name: str, written: str) -> Any:
    arguments = argument_specs.parse(parse(SPECS, Path("argument_specs.yml")))
    return argument_specs.convert(arguments[name], parse(written, FILE), name).plain()


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("app_version", "3.10", "3.10"),
        ("app_version", "yes", "yes"),
        ("app_version", "null", None),
        ("app_workers", "'4'", 4),
        ("app_debug", "'yes'", True),
        ("app_ratio", "1", 1.0),
        ("app_level", "low", "low"),
        ("app_names", "a", ["a"]),
        ("app_names", "[3.10]", ["3.10"]),
        ("app_colours", "[red]", ["red"]),
        ("app_anything", "[1]", [1]),
        ("app_env", "{A: 1}", {"A": 1}),
        ("app_site", "{port: '80'}", {"port": 80}),
        ("app_sites", "[{port: '80'}]", [{"port": 80}]),
    ],
)
def test_a_variable_takes(name: str, written: str, value: object) -> None:
    converted = convert(name, written)
    assert (converted, type(converted)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "written", "place", "message", "hint"),
    [
        ("app_workers", "many", "1:1", "app_workers must be a whole number, not 'many'", ""),
        ("app_level", "hihg", "1:1", "app_level must be one of low, high, not 'hihg'", "Did you mean high?"),
        ("app_names", "[a, [b]]", "1:5", "app_names, item 2 must be text, not a list", ""),
        (
            "app_colours",
            "[red, bleu]",
            "1:7",
            "app_colours, item 2 must be one of red, blue, not 'bleu'",
            "Did you mean blue?",
        ),
        ("app_env", "[A]", "1:1", "app_env must be a mapping, not a list", MAPPING),
        ("app_site", "{port: 1, hots: a}", "1:11", "app_site has no key hots", "Did you mean host?"),
        ("app_site", "{host: a}", "1:1", "app_site needs the key port", ""),
        ("app_sites", "[{port: x}]", "1:9", "port of app_sites, item 1 must be a whole number, not 'x'", ""),
        ("app_key", "null", "1:1", "app_key must be text, not nothing", ""),
    ],
)
def test_a_variable_refuses(name: str, written: str, place: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        convert(name, written)
    error = caught.value
    assert (error.message, error.hint, str(error.position)) == (message, hint, f"task.yml:{place}")


def test_specs_are_read() -> None:
    arguments = argument_specs.parse(parse(SPECS, Path("argument_specs.yml")))
    assert arguments["app_version"].description == "The version. Text."
    assert (arguments["app_debug"].default, arguments["app_key"].no_log, arguments["app_key"].required) == (
        False,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("{}", "1:1", "argument_specs is missing in argument_specs.yml"),
        ("argument_specs: {other: {}}", "1:1", "main is missing in argument_specs.yml"),
        ("argument_specs: {main: {options: {a: {typ: str}}}}", "1:39", "typ is no key of an argument"),
        (
            "argument_specs: {main: {options: {a: {type: text}}}}",
            "1:45",
            "type of a must be one of str, int, bool, list, dict, path, float, raw, not 'text'",
        ),
    ],
)
def test_wrong_specs_are_refused(text: str, place: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        argument_specs.parse(parse(text, Path("argument_specs.yml")))
    assert (caught.value.message, str(caught.value.position)) == (message, f"argument_specs.yml:{place}")


def test_specs_without_options_declare_nothing() -> None:
    assert argument_specs.parse(parse("argument_specs: {main: {}}", FILE)) == {}
