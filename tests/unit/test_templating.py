"""Rendering as Ansible 2.19 does it, and errors that point at the expression."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.errors import ConfigError
from provision.resources.base import Facts
from provision.template_errors import FactsNeeded
from provision.templating import OMIT, Templates
from provision.yamlfile import Node, load, parse

VARIABLES = """\
port: 8000
base: /srv/{{ name }}
name: shop
python: 3.10
mode: 0644
debug: yes
nothing:
words: [b, a, B]
paths: ["{{ base }}/a", "{{ base }}/b"]
env: {DEBUG: yes, PORT: "{{ port }}", NAME: "{{ name }}"}
broken: "{{ nowhere }}"
cores: "{{ ansible_processor_vcpus }}"
text: "{{ '{{' }} kept }}"
users: {ann: {shell: /bin/sh}, bob: {shell: /bin/bash}}
"""


def variables(text: str = VARIABLES) -> dict[str, Node]:
    node = parse(text, Path("vars.yml"))
    assert isinstance(node.value, dict)
    return node.value


def render(text: str, **facts: Any) -> Any:
    templates = Templates()
    scope = templates.scope(variables(), Facts(**facts))
    return templates.render(parse(text, Path("task.yml")), scope)


RENDERED = [
    # A whole expression keeps its type, text around it makes text.
    ("'{{ port }}'", 8000),
    ("'{{ port }}0'", "80000"),
    ("'{{ port + 1 }}'", 8001),
    ("' {{ port }}'", " 8000"),
    ("'{{ debug }}'", True),
    ("'{{ debug }}!'", "True!"),
    ("'{{ nothing }}'", None),
    ("'<{{ nothing }}>'", "<>"),
    ("'{{ words | map(\"upper\") }}'", ["B", "A", "B"]),
    ("'{{ paths }}'", ["/srv/shop/a", "/srv/shop/b"]),
    ("'{{ (1, 2) }}'", [1, 2]),
    ("'{{ users.keys() }}'", ["ann", "bob"]),
    ("['{{ port }}', {a: '{{ name }}'}]", [8000, {"a": "shop"}]),
    ("8000", 8000),
    ("'no templates } here'", "no templates } here"),
    # Numbers keep their text, as fields that are text take it.
    ("'python{{ python }}'", "python3.10"),
    ("'{{ python | default(3) }} {{ python + 1 }}'", "3.10 4.1"),
    ("'{{ mode | string }}'", "0644"),
    ("'{{ mode == 420 }}'", True),
    ("'{{ [mode, python] | to_json }}'", "[420, 3.1]"),
    ("'{{ [mode, python] | to_yaml }}'", "[0644, 3.1]\n"),
    # Variables are rendered on use, once: what they give is not a template again.
    ("'{{ base }}/app'", "/srv/shop/app"),
    ("'{{ env }}'", {"DEBUG": True, "PORT": 8000, "NAME": "shop"}),
    ("'{{ env.PORT }}'", 8000),
    ("'{{ text }}'", "{{ kept }}"),
    ("'{{ text }} twice'", "{{ kept }} twice"),
    # Undefined values that are forgiven.
    ("'{{ nowhere | default(5) }}'", 5),
    ('\'{{ nowhere.a.b["c"] | default("x") }}\'', "x"),
    ("'{{ users.carl.shell | default(\"/bin/false\") }}'", "/bin/false"),
    ("'{{ broken | default(1) }}'", 1),
    ("'{{ broken is defined }}'", False),
    ("'{{ nothing | default(1) }}'", None),
    ("'{{ nothing | default(1, true) }}'", 1),
    ("'{{ nowhere is undefined }}'", True),
    ("'{{ 1 if port > 1 else nowhere }}'", 1),
    # omit takes away what it stands for.
    ("{a: 1, b: '{{ nowhere | default(omit) }}'}", {"a": 1}),
    ("[1, '{{ omit }}']", [1]),
    # Filters and tests of Ansible.
    ("'{{ \"yes\" | bool }}'", True),
    ("'{{ \"OFF\" | bool }}'", False),
    ("'{{ 1 | bool }}'", True),
    ("'{{ users | to_json }}'", '{"ann": {"shell": "/bin/sh"}, "bob": {"shell": "/bin/bash"}}'),
    ("'{{ [1] | to_nice_json }}'", "[\n    1\n]"),
    ('\'{{ {"b": [1, 2], "a": none} | to_yaml }}\'', "a: null\nb: [1, 2]\n"),
    ('\'{{ {"b": [1, 2], "a": "ä"} | to_nice_yaml }}\'', "a: ä\nb:\n- 1\n- 2\n"),
    ("'{{ words | map(\"upper\") | to_json }}'", '["B", "A", "B"]'),
    ("'{{ \"[1]\" | from_json }}'", [1]),
    ("'{{ \"a: 1\" | from_yaml }}'", {"a": 1}),
    ('\'{{ name | regex_replace("^s(.)", "\\1S") }}\'', "hSop"),
    ('\'{{ "aBa" | regex_replace("b", ignorecase=true) }}\'', "aa"),
    ('\'{{ "v1.2" | regex_search("[0-9]+") }}\'', "1"),
    ('\'{{ "v1.2" | regex_search("x") }}\'', None),
    ('\'{{ "v1.2" | regex_search("v(.)[.](?P<m>.)", "\\1", "\\g<m>") }}\'', ["1", "2"]),
    ("'{{ \"a.b\" | regex_escape }}'", "a\\.b"),
    ("'{{ \"/a/b.c\" | basename }}'", "b.c"),
    ("'{{ \"/a/b.c\" | dirname }}'", "/a"),
    ("'{{ \"it is\" | quote }}'", "'it is'"),
    ("'{{ nothing | quote }}'", "''"),
    ("'{{ \"ä\" | b64encode }}'", "w6Q="),
    ("'{{ \"w6Q=\" | b64decode }}'", "ä"),
    ("'{{ \"a\" | hash }}'", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
    ('\'{{ "a" | hash("md5") }}\'', "0cc175b9c0f1b6a831c399e269772661"),
    ("'{{ debug | ternary(1, 2) }}'", 1),
    ("'{{ nothing | ternary(1, 2, 3) }}'", 3),
    ("'{{ users | combine({\"ann\": 1}) | length }}'", 2),
    ('\'{{ {"a": {"x": 1}} | combine({"a": {"y": 2}}) }}\'', {"a": {"y": 2}}),
    ('\'{{ {"a": {"x": 1}} | combine({"a": {"y": 2}}, recursive=true) }}\'', {"a": {"x": 1, "y": 2}}),
    ("'{{ words | unique }}'", ["b", "a"]),
    ("'{{ words | unique(case_sensitive=true) | length }}'", 3),
    ("'{{ users | dict2items | first }}'", {"key": "ann", "value": {"shell": "/bin/sh"}}),
    ("'{{ port | mandatory }}'", 8000),
    ('\'{{ "12.10" is version("12.9", ">=") }}\'', True),
    ('\'{{ "12" is version("12.0", "<") }}\'', True),
    ("'{{ name is match(\"ho\") }}'", False),
    ("'{{ name is search(\"ho\") }}'", True),
    # Facts and constants.
    ("'{{ ansible_distribution }}'", "Debian"),
    ("'{{ ansible_facts.distribution }}'", "Debian"),
    ("'{{ cores + 1 }}'", 5),
    ("'{{ ansible_managed }}'", "Managed by provision; changes made here are overwritten."),
]


@pytest.mark.parametrize(("text", "expected"), RENDERED)
def test_renders(text: str, expected: object) -> None:
    assert render(text, distribution="Debian", processor_vcpus=4) == expected


def test_a_variable_alone_keeps_its_place_and_source_text() -> None:
    templates = Templates()
    scope = templates.scope(variables())
    node = templates.resolve(parse("'{{ python }}'", Path("task.yml")), scope)
    assert (node.value, node.text, str(node.position)) == (3.1, "3.10", "vars.yml:4:9")
    nested = templates.resolve(parse("{e: '{{ env }}'}", Path("task.yml")), scope)
    assert isinstance(nested.value, dict)
    assert isinstance(nested.value["e"].value, dict)
    assert nested.value["e"].value["DEBUG"].text == "yes"


def test_template_files_are_rendered_as_by_the_template_module(tmp_path: Path) -> None:
    file = tmp_path / "a.j2"
    file.write_text("{% for word in words %}\n{{ word }}\n{% endfor %}\n{# note #}\n{{ 'a\\tb' }}\n")
    assert Templates().render_file(file, variables()) == "b\na\nB\na\tb\n"


def test_a_template_file_that_is_one_expression_gives_text(tmp_path: Path) -> None:
    file = tmp_path / "a.j2"
    file.write_text("{{ words }}")
    templates = Templates()
    scope = templates.scope(variables())
    assert templates.render(parse("'{{ words }}'", Path("a.yml")), scope) == ["b", "a", "B"]
    assert templates.render_file(file, scope) == "['b', 'a', 'B']"


def test_extra_filters_are_a_matter_of_the_instance() -> None:
    templates = Templates(extra_filters={"twice": lambda value: value * 2})
    assert templates.render(parse("'{{ 2 | twice }}'", Path("a.yml")), {}) == 4
    with pytest.raises(ConfigError, match="there is no filter twice"):
        Templates().render(parse("'{{ 2 | twice }}'", Path("a.yml")), {})


@pytest.mark.parametrize(
    "text",
    ["'{{ ansible_distribution }}'", "'{{ cores }}'", "'{{ cores }}0'", "'{{ [ansible_facts.hostname] }}'"],
)
def test_a_fact_before_the_survey_is_needed(text: str) -> None:
    templates = Templates()
    with pytest.raises(FactsNeeded):
        templates.render(parse(text, Path("task.yml")), variables())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("'{{ ansible_distribution is defined }}'", True), ("'{{ port | default(ansible_memtotal_mb) }}'", 8000)],
)
def test_what_only_names_a_fact_does_not_need_it(text: str, expected: object) -> None:
    assert Templates().render(parse(text, Path("task.yml")), variables()) == expected


def test_used_names_include_those_of_other_variables() -> None:
    templates = Templates()
    scope = templates.scope(variables())
    node = parse("'{{ paths }}'", Path("task.yml"))
    templates.render(node, scope)
    assert scope.used == {"paths", "base", "name"}
    scope.used.clear()
    templates.render(node, scope)
    assert scope.used == {"paths", "base", "name"}


CONDITIONS = [
    ("true", True),
    ("no", False),
    ("'true'", True),
    ("debug", True),
    ("not debug", False),
    ("port > 8000 or name == 'shop'", True),
    ("port in [1, 8000] and nowhere is not defined", True),
    ("words is defined and words | length > 0", True),
    ("ansible_distribution == 'Debian'", True),
    ("[debug, port == 8000]", True),
    ("[debug, port == 1]", False),
    ("[]", True),
]


@pytest.mark.parametrize(("text", "expected"), CONDITIONS)
def test_conditions(text: str, expected: bool) -> None:
    templates = Templates()
    scope = templates.scope(variables(), Facts(distribution="Debian"))
    assert templates.evaluate(parse(text, Path("task.yml")), scope) is expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "name",
            "this condition gives text, not true or false",
            "Write a comparison, `x is defined`, `x | length > 0` or `x | bool`.",
        ),
        (
            "words",
            "this condition gives a list, not true or false",
            "Write a comparison, `x is defined`, `x | length > 0` or `x | bool`.",
        ),
        (
            "1",
            "this condition gives a number, not true or false",
            "Write a comparison, `x is defined`, `x | length > 0` or `x | bool`.",
        ),
        (
            "",
            "this condition gives nothing, not true or false",
            "Write a comparison, `x is defined`, `x | length > 0` or `x | bool`.",
        ),
        ("'{{ debug }}'", "a condition is already an expression", "Write the bare expression, without {{ }}."),
        ("port >", "Jinja: unexpected end of condition", ""),
        ("debgu", "the variable debgu is not defined", "Did you mean debug?"),
    ],
)
def test_conditions_that_are_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Templates().evaluate(parse(text, Path("task.yml")), variables())
    assert (caught.value.message, caught.value.hint) == (message, hint)


ERRORS = [
    ("a: '{{ prot }}'", "1:8", "the variable prot is not defined", "Did you mean port?"),
    (
        "a: x {{ zzz }}",
        "1:9",
        "the variable zzz is not defined",
        "Set it in the inventory, or in the role's defaults/main.yml.",
    ),
    ("a: 'prot {{ port }} {{ prot }}'", "1:24", "the variable prot is not defined", "Did you mean port?"),
    ("a: |\n  one {{ port }}\n    two {{ prot }}\n", "3:12", "the variable prot is not defined", "Did you mean port?"),
    (
        "a: >-\n  prot\n  {% if port %}\n  {{ prot }}{% endif %}",
        "4:6",
        "the variable prot is not defined",
        "Did you mean port?",
    ),
    ("a: '{{ users.carl }}'", "1:14", "this mapping has no carl", "Its keys: ann, bob."),
    ("a: '{{ users[\"anm\"].shell }}'", "1:15", "this mapping has no anm", "Did you mean ann?"),
    ("a: '{{ port.high }}'", "1:13", "a number has no high", ""),
    ("a: '{{ port | uper }}'", "1:15", "there is no filter uper", "Did you mean upper?"),
    (
        "a: '{{ port | password_hash }}'",
        "1:15",
        "there is no filter password_hash",
        "docs/ansible.md lists the filters there are.",
    ),
    ("a: '{{ port is definde }}'", "1:16", "there is no test definde", "Did you mean defined?"),
    (
        'a: \'{{ lookup("env", "HOME") }}\'',
        "1:8",
        "lookup is not supported",
        "Read files with the copy or template module, secrets with the inventory's own means.",
    ),
    ("a: '{{ query(\"x\") }}'", "1:8", "query is not supported", "Write the list in a variable."),
    (
        "a: 'x {{ port }'",
        "1:7",
        "this {{ is closed by one }",
        "Write }}. Text that is not a template goes between {% raw %} and {% endraw %}.",
    ),
    (
        "a: |\n  {{ port }}\n  {% if port %}",
        "3:3",
        "this {% if %} is never closed",
        "Write {% endif %}.",
    ),
    (
        "a: |\n  {% if port %}{% if name %}\n  {% endif %}{{ port }}\n  {{ name }}",
        "2:3",
        "this {% if %} is never closed",
        "Write {% endif %}.",
    ),
    (
        "a: '{{ port'",
        "1:5",
        "this {{ is never closed",
        "Write }} after it. Text that is not a template goes between {% raw %} and {% endraw %}.",
    ),
    (
        "a: '{% if port'",
        "1:5",
        "this {% is never closed",
        "Write %} after it. Text that is not a template goes between {% raw %} and {% endraw %}.",
    ),
    (
        "a: '{{ port | }}'",
        "1:5",
        "Jinja: expected token 'name', got }}",
        "Text that is not a template goes between {% raw %} and {% endraw %}.",
    ),
    ("a: '{{ {{ port }} }}'", "1:5", "{{ inside of {{ }}", "Inside {{ }} a variable stands by its bare name."),
    ("a: 'x {% fro %}'", "1:7", "there is no {% fro %} in Jinja", "Did you mean for?"),
    ("a: 'x {% endif %}'", "1:7", "{% endif %} without a beginning", "Write {% if %} before it, or remove it."),
    (
        "a: '{% if port %}{% for x in y %}{% endif %}'",
        "1:5",
        "{% endif %} before {% for %} is closed",
        "Write {% endfor %} first.",
    ),
    ("a: '{{ item }}'", "1:8", "the variable item is not defined", "Only a task with `loop:` has an item."),
    ("a: '{{ none.high }}'", "1:13", "nothing has no high", ""),
    (
        "a: '{{ name | replace(1) }}'",
        "1:5",
        "this cannot be computed: the filter replace missing 1 required positional argument: 'new'",
        "",
    ),
    (
        "a: '{{ port + name }}'",
        "1:5",
        "this cannot be computed: unsupported operand type(s) for +: 'int' and 'str'",
        "",
    ),
    (
        "a: '{{ \"maybe\" | bool }}'",
        "1:5",
        "this cannot be computed: bool: 'maybe' is none of yes, no, on, off, true, false, 1, 0",
        "",
    ),
    ("a: '{{ x.y | mandatory(\"set x\") }}'", "1:5", "this cannot be computed: set x", ""),
    ("a: '{{ [1] | combine }}'", "1:5", "this cannot be computed: combine: 1 is not a mapping", ""),
    ("a: '{{ [1] | dict2items }}'", "1:5", "this cannot be computed: dict2items: [1] is not a mapping", ""),
    (
        "a: '{{ 1 is version(2, \"~\") }}'",
        "1:5",
        "this cannot be computed: version: '~' is none of ==, =, eq, !=, <>, ne, <, lt, <=, le, >, gt, >=, ge",
        "",
    ),
    ("a: '{{ \"\" is version(2) }}'", "1:5", "this cannot be computed: version: '' is no version", ""),
    ('a: "{{ \\x70rot }}"', "1:4", "the variable prot is not defined", "Did you mean port?"),
    ("a: '{% include \"x\" %}'", "1:5", "{% include %} is not supported", "Write its text into this template."),
    (
        "b: 1\na: '{{ port }}{{ [c] }}'",
        "2:19",
        "the variable c is not defined",
        "Set it in the inventory, or in the role's defaults/main.yml.",
    ),
]


@pytest.mark.parametrize(("text", "place", "message", "hint"), ERRORS)
def test_errors_point_at_the_expression(tmp_path: Path, text: str, place: str, message: str, hint: str) -> None:
    file = tmp_path / "task.yml"
    file.write_text(text, "utf-8")
    node = load(file)
    assert isinstance(node.value, dict)
    with pytest.raises(ConfigError) as caught:
        Templates().render(node.value["a"], variables())
    error = caught.value
    assert (error.message, error.hint, str(error.position)) == (message, hint, f"{file}:{place}")


def test_an_undefined_variable_in_a_variable_is_reported_there(tmp_path: Path) -> None:
    file = tmp_path / "vars.yml"
    file.write_text("url: https://{{ host }}:{{ port }}\nhost: '{{ domian }}'\ndomain: a.b\nport: 1\n", "utf-8")
    node = load(file)
    assert isinstance(node.value, dict)
    with pytest.raises(ConfigError) as caught:
        Templates().render(parse("'{{ url }}'", Path("task.yml")), node.value)
    assert str(caught.value.position) == f"{file}:2:11"
    assert (caught.value.message, caught.value.hint) == ("the variable domian is not defined", "Did you mean domain?")


def test_a_circle_of_variables_is_named() -> None:
    circle = variables("a: '{{ b }}'\nb: x{{ c }}\nc: '{{ a | default(1) }}'\n")
    with pytest.raises(ConfigError) as caught:
        Templates().render(parse("'{{ a }}'", Path("task.yml")), circle)
    assert caught.value.message == "these variables need each other: a -> b -> c -> a"
    assert str(caught.value.position) == "vars.yml:1:4"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("one\n{% if port %}\n{{ prot }}\n{% endif %}\n", "3:4", "the variable prot is not defined"),
        ("one\n{{ port }}\n{{ port | uper }}\n", "3:11", "there is no filter uper"),
        ("one\n  {% fi %}\n", "2:3", "there is no {% fi %} in Jinja"),
        (
            "one\n{{ port }}\n {{ port + name }}\n",
            "3:2",
            "this cannot be computed: unsupported operand type(s) for +: 'int' and 'str'",
        ),
        ("#jinja2: trim_blocks: False\n", "1:1", "a #jinja2: line is not supported"),
    ],
)
def test_errors_in_template_files_point_into_them(tmp_path: Path, text: str, place: str, message: str) -> None:
    file = tmp_path / "unit.j2"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        Templates().render_file(file, variables())
    assert (str(caught.value.position), caught.value.message) == (f"{file}:{place}", message)


def test_a_template_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "unit.j2"
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError) as caught:
        Templates().render_file(file, {})
    assert (str(caught.value.position), caught.value.message) == (f"{file}:1:1", "a template must be UTF-8 text")


def test_without_its_file_an_error_points_at_the_value() -> None:
    with pytest.raises(ConfigError) as caught:
        Templates().render(parse("'{{ a }}'", Path("gone.yml")), {})
    assert str(caught.value.position) == "gone.yml:1:1"


def test_an_absent_value_has_no_python_attributes() -> None:
    with pytest.raises(AttributeError):
        _ = Templates().scope(variables())["broken"].__html__


def test_syntax_is_checked_without_rendering() -> None:
    templates = Templates()
    templates.check_syntax(parse("{a: ['{{ nowhere }}', 1]}", Path("task.yml")))
    templates.check_syntax(parse("[a == 1, true]", Path("task.yml")), expression=True)
    with pytest.raises(ConfigError, match="there is no filter uper"):
        templates.check_syntax(parse("{a: ['{{ 1 | uper }}']}", Path("task.yml")))
    with pytest.raises(ConfigError, match="Jinja: "):
        templates.check_syntax(parse("[a ==]", Path("task.yml")), expression=True)


def test_omit_survives_a_detour_through_a_variable() -> None:
    templates = Templates()
    node = parse("'{{ a }}'", Path("task.yml"))
    assert templates.render(node, variables("a: '{{ b | default(omit) }}'")) == OMIT
