"""The releases of the example app that a cut run deploys, and the inventories that ask for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from tests.cuts.points import Scenario
from tests.e2e.cli import NOTES, TEST_SITE

from provision.lab.inventory import write_inventory
from provision.lab.provider import Host

OLD: tuple[Literal["1.0.1"], Literal["1.0.2"]] = ("1.0.1", "1.0.2")
"""What was deployed before the update that is cut, in this order."""

NEW = "1.0.3"
"""What the run that is cut deploys."""

Wanted = Scenario | Literal["1.0.1", "1.0.2"]
"""A kind of run, which deploys NEW, or one of OLD."""

MIGRATION = '''\
"""A migration that only the new release has."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table("cuts", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("cuts")
'''


class Releases:
    """Sources below ``folder``, one a version; what is new in NEW is source, migration, environment and site."""

    def __init__(self, folder: Path, **variables: object) -> None:
        self._folder, self._variables = folder, variables
        for version in (*OLD, NEW):
            ignored = shutil.ignore_patterns(".venv", "__pycache__", "*.db")
            source = Path(shutil.copytree(NOTES, self.source(version), ignore=ignored))
            (source / "notes/__init__.py").write_text(
                f'"""A list of notes: the example app of provision."""\n\n__version__ = "{version}"\n'
            )
        (self.source(NEW) / "migrations/versions/0003_add_cuts.py").write_text(MIGRATION)

    def source(self, version: str) -> Path:
        """The folder of a version's source."""
        return self._folder / version / "notes"

    def inventory(self, host: Host, wanted: Wanted) -> Path:
        """An inventory that wants an old version on ``host``, or the new one by the kind of run that is cut."""
        version = wanted if wanted in OLD else NEW
        path = self._folder / version / f"{host.name}.yml"
        variables: dict[str, object] = {
            "app_source": str(self.source(version)),
            "app_workers": 1,
            "app_drain": 3,
            # An update then has something to remove.
            "app_keep": 1,
            **TEST_SITE,
            **self._variables,
        }
        if version == NEW:
            variables |= {"app_env": {"APP_TITLE": "Cut"}, "app_try_duration": 6}
        if wanted == "restart":
            variables |= {"app_strategy": "restart"}
        write_inventory(path, [host], variables)
        return path
