"""The filters and tests of Ansible that roles use most, beside Jinja's own; same names, arguments and results."""

from __future__ import annotations

import base64
import hashlib
import json
import operator
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from jinja2 import Environment, Undefined, pass_environment
from jinja2.filters import do_unique

Filter = Callable[..., Any]

_WORDS = {"yes": True, "on": True, "true": True, "1": True, "no": False, "off": False, "false": False, "0": False}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("==", "=", "eq"), operator.eq),
    **dict.fromkeys(("!=", "<>", "ne"), operator.ne),
    **dict.fromkeys(("<", "lt"), operator.lt),
    **dict.fromkeys(("<=", "le"), operator.le),
    **dict.fromkeys((">", "gt"), operator.gt),
    **dict.fromkeys((">=", "ge"), operator.ge),
}


def filters() -> dict[str, Filter]:
    """Filters by their name in a template."""
    return {
        "b64decode": _b64decode,
        "b64encode": _b64encode,
        "basename": posixpath.basename,
        "bool": _bool,
        "combine": _combine,
        "dict2items": _dict2items,
        "dirname": posixpath.dirname,
        "from_json": json.loads,
        "from_yaml": yaml.safe_load,
        "hash": _hash,
        "mandatory": _mandatory,
        "quote": _quote,
        "regex_escape": re.escape,
        "regex_replace": _regex_replace,
        "regex_search": _regex_search,
        "ternary": _ternary,
        "to_json": _to_json,
        "to_nice_json": _to_nice_json,
        "to_nice_yaml": _to_nice_yaml,
        "to_yaml": _to_yaml,
        "unique": _unique,
    }


def tests() -> dict[str, Filter]:
    """Tests by their name after ``is``."""
    return {"match": _match, "regex": _search, "search": _search, "version": _version}


def plain(value: Any) -> Any:
    """``value`` with generators, tuples and views as lists, all the way down; an undefined part raises."""
    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value


def _b64encode(value: Any) -> str:
    return base64.b64encode(str(value).encode()).decode()


def _b64decode(value: str) -> str:
    return base64.b64decode(value, validate=True).decode()


def _bool(value: Any) -> bool:
    word = str(value).lower()
    if not isinstance(value, str | int) or word not in _WORDS:
        raise ValueError(f"bool: {value!r} is none of yes, no, on, off, true, false, 1, 0")
    return _WORDS[word]


def _combine(*values: Any, recursive: bool = False) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for value in plain(values):
        for layer in value if isinstance(value, list) else [value]:
            if not isinstance(layer, dict):
                raise ValueError(f"combine: {layer!r} is not a mapping")
            merged = _merge(merged, layer) if recursive else merged | layer
    return merged


def _merge(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        nested = isinstance(value, dict) and isinstance(low.get(key), dict)
        merged[key] = _merge(low[key], value) if nested else value
    return merged


def _dict2items(value: Any, key_name: str = "key", value_name: str = "value") -> list[dict[str, Any]]:
    if not isinstance(value, Mapping):
        raise ValueError(f"dict2items: {value!r} is not a mapping")
    return [{key_name: key, value_name: item} for key, item in value.items()]


def _hash(value: Any, hashtype: str = "sha1") -> str:
    return hashlib.new(hashtype, str(value).encode()).hexdigest()


def _mandatory(value: Any, msg: str = "") -> Any:
    if isinstance(value, Undefined) and msg:
        raise ValueError(msg)
    return plain(value)


def _quote(value: Any) -> str:
    return shlex.quote("" if value is None else str(value))


def _flags(ignorecase: bool, multiline: bool) -> int:
    return (re.IGNORECASE if ignorecase else 0) | (re.MULTILINE if multiline else 0)


def _regex_replace(
    value: Any, pattern: str, replacement: str = "", ignorecase: bool = False, multiline: bool = False, count: int = 0
) -> str:
    return re.compile(pattern, _flags(ignorecase, multiline)).sub(replacement, str(value), count=count)


def _regex_search(value: Any, pattern: str, *groups: str, ignorecase: bool = False, multiline: bool = False) -> Any:
    found = re.search(pattern, str(value), _flags(ignorecase, multiline))
    if found is None or not groups:
        return found and found.group()
    return [found.expand(group) for group in groups]


def _ternary(value: Any, true_val: Any, false_val: Any, none_val: Any = None) -> Any:
    if value is None and none_val is not None:
        return none_val
    return true_val if value else false_val


def _to_json(value: Any, **options: Any) -> str:
    return json.dumps(plain(value), **options)


def _to_nice_json(value: Any, indent: int = 4, sort_keys: bool = True) -> str:
    return json.dumps(plain(value), indent=indent, sort_keys=sort_keys, separators=(",", ": "))


class _Dumper(yaml.SafeDumper):
    """Never writes anchors; Ansible's output has none for equal but separate values, and readers dislike them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# Numbers of scope.py that remember their text.
_Dumper.add_multi_representer(int, yaml.SafeDumper.represent_int)
_Dumper.add_multi_representer(float, yaml.SafeDumper.represent_float)


def _to_yaml(value: Any, default_flow_style: bool | None = None, **options: Any) -> str:
    options = {"allow_unicode": True, "default_flow_style": default_flow_style} | options
    return str(yaml.dump(plain(value), Dumper=_Dumper, **options))


def _to_nice_yaml(value: Any, indent: int = 4, **options: Any) -> str:
    return _to_yaml(value, default_flow_style=False, indent=indent, **options)


@pass_environment
def _unique(environment: Environment, value: Any, case_sensitive: bool = False, attribute: Any = None) -> list[Any]:
    return list(do_unique(environment, value, case_sensitive, attribute))


def _match(value: Any, pattern: str, ignorecase: bool = False, multiline: bool = False) -> bool:
    return re.match(pattern, str(value), _flags(ignorecase, multiline)) is not None


def _search(value: Any, pattern: str, ignorecase: bool = False, multiline: bool = False) -> bool:
    return re.search(pattern, str(value), _flags(ignorecase, multiline)) is not None


def _version(value: Any, version: Any, comparison: str = "eq") -> bool:
    if comparison not in _COMPARISONS:
        raise ValueError(f"version: {comparison!r} is none of {', '.join(_COMPARISONS)}")
    return _COMPARISONS[comparison](_parts(value), _parts(version))


def _parts(version: Any) -> list[tuple[int, int, str]]:
    """Numbers compare as numbers, words as text, words come before numbers; 12 < 12.0, as in Ansible."""
    words = re.findall(r"\d+|[a-z]+", str(version).lower())
    if not words:
        raise ValueError(f"version: {version!r} is no version")
    return [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in words]
