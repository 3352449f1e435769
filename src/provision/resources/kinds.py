"""Every kind of resource by its name in YAML; a kind's module is imported when a task first names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from provision.resources.base import Resource


class Kinds(Mapping[str, type[Resource]]):
    """Name -> class, from name -> ``module.Class``. Most runs use a third of the kinds, and imports take time."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> type[Resource]:
        module, _, kind = self._places[name].partition(".")
        found: type[Resource] = getattr(import_module(f"provision.resources.{module}"), kind)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def but(self, places: Mapping[str, str]) -> Kinds:
        """These kinds, with others under the names of ``places``."""
        return Kinds({**self._places, **places})


KINDS = Kinds(
    {
        "apt": "package.Package",
        "apt_repository": "apt_repository.Deb822Repository",
        "assert": "assert_.Assert",
        "authorized_key": "authorized_key.AuthorizedKey",
        "blockinfile": "blockinfile.BlockInFile",
        "build": "build.Build",
        "caddy_account": "caddy_account.CaddyAccount",
        "certificate": "certificate.Certificate",
        "command": "command.Command",
        "copy": "copy.Copy",
        "cron": "cron.Cron",
        "deb822_repository": "apt_repository.Deb822Repository",
        "debug": "debug.Debug",
        "deployment": "deployment.Deployment",
        "file": "file.File",
        "firewall": "firewall.Firewall",
        "get_url": "get_url.GetUrl",
        "git": "git.Git",
        "group": "group.Group",
        "hostname": "hostname.Hostname",
        "lineinfile": "lineinfile.LineInFile",
        "package": "package.Package",
        "postgresql_db": "postgresql_db.PostgresqlDb",
        "postgresql_ext": "postgresql_ext.PostgresqlExt",
        "postgresql_pg_hba": "postgresql_pg_hba.PostgresqlPgHba",
        "postgresql_user": "postgresql_user.PostgresqlUser",
        "release": "release.Release",
        "removal": "removal.Removal",
        "service": "service.Service",
        "shell": "command.ShellCommand",
        "site": "site.Site",
        "sshd": "sshd.Sshd",
        "site_options": "site_options.SiteOptions",
        "sysctl": "sysctl.Sysctl",
        "systemd": "service.Service",
        "systemd_service": "service.Service",
        "systemd_unit": "systemd_unit.SystemdUnit",
        "template": "template.Template",
        "timezone": "timezone.Timezone",
        "unarchive": "unarchive.Unarchive",
        "uri": "uri.Uri",
        "user": "user.User",
        "uv": "uv.Uv",
        "uv_python": "uv_python.UvPython",
        "wait_for": "wait_for.WaitFor",
    }
)
"""A module's name, without ``ansible.builtin.``, and its class. Aliases are names of their own, as in Ansible."""

CHECKS = KINDS.but({"command": "check.CommandCheck", "shell": "check.ShellCheck"})
"""What a role's tests/verify.yml may use: there a command is asked how it ends, and need not say when it is due."""
