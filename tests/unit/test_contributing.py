""" "How to add a module" in CONTRIBUTING.md, followed to the letter."""

from __future__ import annotations

import importlib
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any, NoReturn

import pytest

from provision.errors import ConfigError
from provision.plan import compare
from provision.resources.base import Facts
from provision.schema import Module
from provision.yamlfile import Node, load

NAME = "dpkg_selections"
GUIDE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"


def block(language: str) -> str:
    """The one indented block of a language."""
    (text,) = re.findall(rf"^ +```{language}\n(.*?)^ +```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return textwrap.dedent(text)


class NoFiles:
    """The example has none."""

    def local(self, path: Node) -> NoReturn:
        raise AssertionError(path)

    rendered = tree = expression = local


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    """The class of the example."""
    (tmp_path / "guide.py").write_text(block("python"))
    monkeypatch.syspath_prepend(tmp_path)
    found: type[Any] = importlib.import_module("guide").DpkgSelections
    return found


def test_the_cases_of_the_guide_hold(kind: type[Any], tmp_path: Path) -> None:
    (tmp_path / "cases.yml").write_text(block("yaml"))
    cases = load(tmp_path / "cases.yml").value
    assert isinstance(cases, list)
    module = Module(NAME, kind)
    assert [outcome(module, case) for case in cases] == ["change", "ok", "refused"]


def outcome(module: Module, case: Node) -> str:
    """What becomes of a case, after all that it expects has been found."""
    assert isinstance(case.value, dict)
    given, expected = module.given(case.value[NAME], case.position), case.plain()
    if "refused" in expected:
        with pytest.raises(ConfigError, match=expected["refused"]):
            module.build(given, lambda node: node, NoFiles(), case.position)
        return "refused"
    resource: Any = module.build(given, lambda node: node, NoFiles(), case.position)
    (read,) = resource.reads()
    diff = compare(resource.desired(Facts()), {read: expected["observed"]["Shell"]}, Facts())
    assert sorted(f"Shell {change.property.name}" for change in diff.changes) == expected["differs"]
    if not diff.changes:
        return "ok"
    text = "\n".join(step.script for step in resource.change(diff))
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    assert [part for part in expected["script"] if part not in text] == []
    return "change"


def test_the_line_for_the_registry_names_the_class(kind: type[Any]) -> None:
    (place,) = re.findall(rf'`"{NAME}": "(.*)",`', GUIDE.read_text("utf-8"))
    assert place == f"{NAME}.{kind.__name__}"


def test_the_guide_is_short() -> None:
    assert len(block("python").splitlines()) <= 45
