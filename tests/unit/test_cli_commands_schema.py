"""The JSON Schema of inventories and variables: what editors will accept and mark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from provision.cli import main
from provision.inventory import connection
from provision.json_schema import CONNECTION

INVENTORIES = Path(__file__).parent / "inventories"

SITE = "all: {hosts: {web1: {site_port: 81}, web2: }, vars: {roles: [site], site_title: 'Shop of {{ x }}'}}"
SPECS = """
argument_specs:
  main:
    options:
      site_port: {type: int, description: Where it listens.}
      site_title: {type: str, required: true}
      site_mode: {type: str, choices: [fast, slow]}
      site_pages:
        type: list
        elements: dict
        options:
          path: {type: path, required: true}
          draft: {type: bool}
"""

Schema = Mapping[str, Any]
NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


def accepts(schema: Schema, value: Any, root: Schema) -> bool:
    """Judge as JSON Schema does, with the keywords that our schemas use."""

    def each(values: Any, rule: Schema) -> bool:
        return all(accepts(rule, one, root) for one in values)

    kind = NAMES.get(type(value), "null")
    kinds = {kind, "number"} if kind == "integer" else {kind}
    judges: dict[str, Callable[[Any], bool]] = {
        "$ref": lambda rule: accepts(root["$defs"][rule.removeprefix("#/$defs/")], value, root),
        "type": lambda rule: not kinds.isdisjoint([rule] if isinstance(rule, str) else rule),
        "enum": lambda rule: any(value == one and type(value) is type(one) for one in rule),
        "anyOf": lambda rule: any(accepts(one, value, root) for one in rule),
        "not": lambda rule: not accepts(rule, value, root),
        "pattern": lambda rule: kind != "string" or re.search(rule, value) is not None,
        "items": lambda rule: kind != "array" or each(value, rule),
        "required": lambda rule: kind != "object" or value.keys() >= set(rule),
        "propertyNames": lambda rule: kind != "object" or each(value, rule),
        "properties": lambda rule: (
            kind != "object" or all(each([value[key]], rule[key]) for key in value.keys() & rule)
        ),
        "additionalProperties": lambda rule: (
            kind != "object" or each([value[key] for key in value.keys() - schema.get("properties", {}).keys()], rule)
        ),
        **dict.fromkeys(("$schema", "title", "description", "default", "$defs"), lambda rule: True),
    }
    if isinstance(schema, bool):
        return schema
    return all(judges[keyword](rule) for keyword, rule in schema.items())


def invoke(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="provision")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with an inventory and a role of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory.yml").write_text(SITE)
    for name, text in (("meta/argument_specs.yml", SPECS), ("defaults/main.yml", "site_port: 80\n")):
        file = tmp_path / "roles/site" / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return tmp_path


@pytest.fixture
def schema(folder: Path) -> Schema:
    result = invoke("schema")
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


def fits(schema: Schema, text: str) -> bool:
    return accepts(schema, yaml.safe_load(text), schema)


def test_schema_accepts_what_is_right(schema: Schema) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert fits(schema, SITE)
    for name in ("smallest", "depth", "strings", "group_vars", "ranges", "ungrouped", "priority"):
        assert fits(schema, (INVENTORIES / name / "inventory.yml").read_text()), name


@pytest.mark.parametrize(
    ("variables", "fine"),
    [
        ("app_workers: 2", True),
        ("app_workers: [2]", False),
        ("app_port: 8000", True),
        ("app_port: '{{ base + 1 }}'", True),
        ("app_port: eighty", False),
        ("app_lock: frozen", True),
        ("app_lock: frosen", False),
        ("caddy_tls: off", True),
        ("caddy_tls: 'off'", True),
        ("caddy_tls: on", False),
        ("caddy_trusted_proxies: private_ranges", True),
        ("app_wrokers: 2", False),
        ("mine: {any: [thing]}", True),
        ("site_mode: fast", True),
        ("site_mode: medium", False),
        ("site_pages: [{path: /a, draft: yes}]", True),
        ("site_pages: [{draft: true}]", False),
        ("site_pages: [{path: /a, drft: true}]", False),
        ("python_version: 3.10", True),
        ("app_env: {A: 1, B: [x]}", True),
        ("app_env: text", False),
        ("caddy_domain: [a.example.com, b.example.com]", True),
        ("roles: [site, app]", True),
        ("roles: {site: }", False),
        ("ansible_port: 22", True),
    ],
)
def test_schema_judges_variables(schema: Schema, variables: str, fine: bool) -> None:
    assert fits(schema, f"all: {{hosts: {{a: {{{variables}}}}}}}") is fine
    only = json.loads(invoke("schema", "--variables").stdout)
    assert fits(only, variables) is fine


def test_schema_knows_no_other_key_of_a_group(schema: Schema) -> None:
    assert not fits(schema, "all: {host: {a: }}")


def test_schema_has_descriptions_and_defaults(schema: Schema) -> None:
    variables = schema["$defs"]["variables"]["properties"]
    assert variables["app_port"]["default"] == 8000
    assert variables["site_port"]["description"] == "Where it listens."
    assert "default" not in variables["app_name"]


def test_schema_says_what_to_put_into_the_file(folder: Path) -> None:
    (folder / "sub").mkdir()
    result = invoke("schema", "-o", "sub/schema.json")
    assert result.stdout.endswith("# yaml-language-server: $schema=sub/schema.json\n")
    assert json.loads((folder / "sub/schema.json").read_text()) == json.loads(invoke("schema").stdout)


def test_connection_variables_of_the_schema_exist() -> None:
    assert CONNECTION.keys() <= connection._USED.keys()
