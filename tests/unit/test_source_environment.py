"""environment_text: what systemd reads back is what the inventory says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.environment import environment_text, environment_value
from provision.errors import ConfigError

LINE = re.compile(r'([A-Za-z_]\w*)="((?:\\["\\`$]|[^"\\`$])*)"\n')
"""One variable in the double-quoted form of systemd.exec(5)."""


def read_back(text: str) -> dict[str, str]:
    values, end = {}, 0
    while end < len(text):
        found = LINE.match(text, end)
        assert found, f"not a variable: {text[end:]!r}"
        values[found[1]] = re.sub(r"\\(.)", r"\1", found[2], flags=re.DOTALL)
        end = found.end()
    return values


characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0").filter(
    lambda char: not 0xFDD0 <= ord(char) <= 0xFDEF and ord(char) & 0xFFFE != 0xFFFE
)
values = st.text(st.sampled_from("\"'\\`$%\n\r\t #;=") | characters)


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True), values))
def test_any_text_comes_back(env: dict[str, str]) -> None:
    assert read_back(environment_text(env)) == env


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (1.5, "1.5"),
        ("", ""),
        ("yes", "yes"),
        (["a", 'b"'], '["a", "b\\""]'),
        ({"é": None}, '{"é": null}'),
        ([], "[]"),
    ],
)
def test_yaml_values_become_what_apps_parse(value: Any, text: str) -> None:
    assert environment_value(value) == text


def test_null_is_left_out_and_an_empty_value_stays() -> None:
    assert environment_text({"A": None, "B": ""}) == 'B=""\n'


def test_order_is_that_of_the_inventory() -> None:
    assert environment_text({"B": 1, "A": 2}) == 'B="1"\nA="2"\n'


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A\n", "É", "A=B"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name"):
        environment_text({name: "x"})


@pytest.mark.parametrize("char", ["\0", "\ud800", "\ufdd0", "\ufffe", "\U0010ffff"])
def test_a_character_that_systemd_refuses_is_named_and_the_value_is_not_shown(char: str) -> None:
    with pytest.raises(ConfigError) as caught:
        environment_text({"TOKEN": f"hunter2{char}"})
    assert f"TOKEN holds the character U+{ord(char):04X}" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_longest_value_is_the_kernels() -> None:
    fits = "x" * (128 * 1024 - 1 - len("A="))
    assert environment_text({"A": fits}) == f'A="{fits}"\n'
    with pytest.raises(ConfigError, match="longer than 128 KiB"):
        environment_text({"A": fits + "x"})
