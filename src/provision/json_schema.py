"""JSON Schema (draft 2020-12) of inventories and of files of variables, for editors.

It accepts what `provision lint` accepts, and more: what depends on several values at once is left to lint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from provision.argument_specs import Argument
from provision.inventory.vagrant import PLUGIN
from provision.role import Role

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

CONNECTION: Mapping[str, tuple[str | list[str], str]] = {
    "ansible_host": ("string", "Name or address; by default the host's name in the inventory."),
    "ansible_port": (["integer", "string"], "Port of sshd; by default that of ~/.ssh/config, else 22."),
    "ansible_user": ("string", "The login: root, or one with sudo; by default that of ~/.ssh/config."),
    "ansible_password": (["string", "number"], "The login's password, for hosts without a key."),
    "ansible_become_password": (["string", "number"], "sudo's password, where it asks for one."),
    "ansible_ssh_private_key_file": (["string", "array"], "File of the key; relative to the inventory's folder."),
    "ansible_ssh_common_args": ("string", "Options of ssh: -J, -i, -l, -p and some of -o."),
    "ansible_timeout": (["number", "string"], "Seconds to connect."),
}
"""Ansible's connection variables that are most used: their types and meaning."""

_SCALAR = ["string", "number", "boolean", "null"]
_TYPES: Mapping[str, Schema] = {
    # Text takes a scalar's source, so 3.10 and yes are text too.
    "str": {"type": _SCALAR},
    "path": {"type": _SCALAR},
    "int": {"type": ["integer", "null"]},
    "float": {"type": ["number", "null"]},
    # YAML 1.1, which Ansible reads, has more words for these than editors know.
    "bool": {"enum": [True, False, None, "yes", "no", "on", "off", "true", "false", "y", "n", 0, 1]},
    "list": {"type": [*_SCALAR, "array"]},
    "dict": {"type": ["object", "null"]},
    "raw": {},
}
_TEMPLATE: Schema = {"type": "string", "pattern": r"\{[{%]"}


def inventory_schema(roles: Iterable[Role]) -> Schema:
    """The schema of an inventory whose hosts may have ``roles``."""
    group = {"$ref": "#/$defs/group"}
    return {
        "$schema": DIALECT,
        "title": "Inventory of provision",
        "description": "Groups, of which `all` holds the others.",
        "type": "object",
        "properties": {
            "plugin": {"description": "Where hosts come from besides this file.", "enum": [PLUGIN]},
            "vagrantfile": {"description": "The folder of the Vagrantfile, seen from this file's.", "type": "string"},
            "all": group,
        },
        "additionalProperties": group,
        "$defs": {
            "variables": _variables(roles),
            "group": {
                "type": ["object", "null"],
                "properties": {
                    "hosts": {
                        "description": "Hosts by name; web[01:10] is ten of them.",
                        "type": ["object", "string", "null"],
                        "additionalProperties": {"$ref": "#/$defs/variables"},
                    },
                    "children": {
                        "description": "Groups of this group.",
                        "type": ["object", "string", "null"],
                        "additionalProperties": group,
                    },
                    "vars": {"description": "Variables of all hosts of this group.", "$ref": "#/$defs/variables"},
                },
                "additionalProperties": False,
            },
        },
    }


def variables_schema(roles: Iterable[Role]) -> Schema:
    """The schema of a file in group_vars/ or host_vars/."""
    return {"$schema": DIALECT, "title": "Variables of provision", **_variables(roles)}


def _variables(roles: Iterable[Role]) -> Schema:
    roles = list(roles)
    properties = {
        "roles": {
            "description": "The roles of the host, in their order; by default python, caddy, app.",
            "anyOf": [{"type": "array", "items": {"type": "string"}}, _TEMPLATE],
        },
        **{name: {"type": kind, "description": meaning} for name, (kind, meaning) in CONNECTION.items()},
    }
    for role in roles:
        properties |= {name: _property(argument, role) for name, argument in (role.arguments or {}).items()}
        properties |= {name: {} for name in role.defaults if name not in properties}
    return {"type": ["object", "null"], "properties": properties, **_names(roles, list(properties))}


def _names(roles: Iterable[Role], known: list[str]) -> Schema:
    """A name that begins as a role's do must be one of them: it would be a slip of the keyboard."""
    strict = "|".join(role.name for role in roles if role.arguments is not None)
    return {"propertyNames": {"anyOf": [{"enum": known}, {"not": {"pattern": f"^({strict})_"}}]}} if strict else {}


def _property(argument: Argument, role: Role) -> Schema:
    schema: Schema = {"description": argument.description or f"A variable of the role {role.name}."}
    value = _value(argument)
    schema |= {"anyOf": [value, _TEMPLATE]} if value else {}
    default = role.defaults.get(argument.name)
    if default is not None and not _holds_template(plain := default.plain()):
        schema["default"] = plain
    return schema


def _value(argument: Argument) -> Schema:
    """Of the value of an argument, or of an item of a list of them."""
    if argument.choices and argument.type != "list":
        return {"enum": [*_choices(argument), *([] if argument.required else [None])]}
    schema = dict(_TYPES[argument.type])
    if argument.type == "dict" and argument.options:
        schema |= _keys(argument)
    if argument.type == "list" and argument.elements != "raw":
        items: Schema = {"enum": _choices(argument)} if argument.choices else dict(_TYPES[argument.elements])
        if argument.elements == "dict" and argument.options:
            items |= _keys(argument)
        schema["items"] = {"anyOf": [items, _TEMPLATE]} if items else {}
    return schema


def _choices(argument: Argument) -> list[Any]:
    """``off`` without quotes is a boolean to editors that read YAML 1.1."""
    words = {"off": False, "no": False, "on": True, "yes": True}
    booleans = {words[choice] for choice in argument.choices if choice in words}
    return [*argument.choices, *sorted(booleans - set(argument.choices))]


def _keys(argument: Argument) -> Schema:
    options = argument.options.values()
    properties = {
        option.name: {"description": option.description, "anyOf": [_value(option) or True, _TEMPLATE]}
        for option in options
    }
    return {
        "properties": properties,
        "additionalProperties": False,
        "required": [option.name for option in options if option.required],
    }


def _holds_template(value: Any) -> bool:
    return "{{" in str(value) or "{%" in str(value)
