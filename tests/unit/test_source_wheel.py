"""An app that is a wheel, or in a sub-folder of what is shipped."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from provision.errors import ConfigError
from provision.resources.base import Facts
from provision.resources.build import Build
from provision.source import filters, pack

APP = "from fastapi import FastAPI\napp = FastAPI()\n"
METADATA = "Metadata-Version: 2.1\nName: my-shop\nVersion: 1.0\nRequires-Python: >=3.11\n\nText\n"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "my_shop-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("my_shop/web.py", APP)
        archive.writestr("my_shop/__init__.py", "")
        archive.writestr("my_shop-1.0.dist-info/METADATA", METADATA)
    return path


def test_a_wheel_ships_alone(wheel: Path) -> None:
    (wheel.parent / "beside.txt").touch()
    tree = pack(wheel)
    assert [file.name for file in tree.files] == [wheel.name]
    assert (tree.project.name, tree.dependencies.source) == ("my-shop", "wheel")
    assert tree.dependencies.requires_python == ">=3.11"
    assert [candidate.entrypoint.target for candidate in tree.project.candidates] == ["my_shop.web:app"]
    assert filters(wheel.parent)["project_python_path"](wheel.name, "my_shop.web:app") == ""


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "my_shop @ ./my_shop-1.0-py3-none-any.whl\n"),
        ({"extras": ("redis", "s3")}, "my_shop[redis,s3] @ ./my_shop-1.0-py3-none-any.whl\n"),
    ],
)
def test_a_wheel_is_installed_by_its_file(wheel: Path, options: dict[str, tuple[str, ...]], line: str) -> None:
    extras, constraints = options.get("extras", ()), ("fastapi<1",)
    build = Build(
        name="shop", src=pack(wheel), entrypoint="my_shop.web:app", uv="/uv", extras=extras, constraints=constraints
    )
    assert (build.requirements, build.constraints_text) == (line, "fastapi<1\n")
    assert build.build_id(Facts()) != ""


def test_what_is_no_wheel_is_refused(wheel: Path, tmp_path: Path) -> None:
    wheel.write_bytes(b"no zip")
    with pytest.raises(ConfigError, match="cannot be read as a wheel"):
        pack(wheel)
    wheel.rename(tmp_path / "shop.whl")
    with pytest.raises(ConfigError, match=r"shop\.whl is not named as a wheel"):
        pack(tmp_path / "shop.whl")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name in ("uv.lock", "backend/main.py", "backend/static/a.css", "frontend/index.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(APP if name.endswith(".py") else "")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\ndependencies = []\n')
    return tmp_path


@pytest.mark.parametrize("subdir", ["backend", "./backend/", "frontend/../backend"])
def test_an_app_in_a_sub_folder_ships_whole(shop: Path, subdir: str) -> None:
    tree = pack(shop, subdir=subdir)
    assert (tree.folder, tree.digest) == ("backend", pack(shop).digest)
    assert [file.name for file in tree.app_files] == ["main.py", "static/a.css"]
    assert (tree.project.name, tree.project.entrypoint.target) == ("shop", "main:app")
    assert (tree.dependencies.source, tree.dependencies.folder) == ("uv-lock", "")


@pytest.mark.parametrize("subdir", ["", ".", "./"])
def test_no_sub_folder_is_the_folder_itself(shop: Path, subdir: str) -> None:
    assert pack(shop, subdir=subdir).folder == ""
    assert pack(shop, subdir=subdir).app_files == pack(shop).files


@pytest.mark.parametrize(
    ("subdir", "message"),
    [("../other", "is not a folder below"), ("/srv", "is not a folder below"), ("backen", "has no folder backen with")],
)
def test_a_sub_folder_that_cannot_be(shop: Path, subdir: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pack(shop, subdir=subdir)


def test_the_env_file_of_a_sub_folder_is_named_too(shop: Path) -> None:
    (shop / ".env").write_text("A=1\n")
    (shop / "backend" / ".env").write_text("B=1\n")
    (shop / "frontend" / ".env.production").write_text("C=1\n")
    tree = pack(shop, subdir="backend")
    assert (tree.left_out_env_keys, tree.left_out) == (("A", "B"), ("frontend/.env.production",))
