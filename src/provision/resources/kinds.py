"""Every kind of resource by its name in YAML."""

from __future__ import annotations

from collections.abc import Mapping

from provision.resources.apt_repository import Deb822Repository
from provision.resources.assert_ import Assert
from provision.resources.authorized_key import AuthorizedKey
from provision.resources.base import Resource
from provision.resources.blockinfile import BlockInFile
from provision.resources.build import Build
from provision.resources.certificate import Certificate
from provision.resources.command import Command, ShellCommand
from provision.resources.copy import Copy
from provision.resources.cron import Cron
from provision.resources.debug import Debug
from provision.resources.deployment import Deployment
from provision.resources.file import File
from provision.resources.get_url import GetUrl
from provision.resources.git import Git
from provision.resources.group import Group
from provision.resources.hostname import Hostname
from provision.resources.lineinfile import LineInFile
from provision.resources.package import Package
from provision.resources.release import Release
from provision.resources.service import Service
from provision.resources.sysctl import Sysctl
from provision.resources.systemd_unit import SystemdUnit
from provision.resources.template import Template
from provision.resources.timezone import Timezone
from provision.resources.unarchive import Unarchive
from provision.resources.uri import Uri
from provision.resources.user import User
from provision.resources.wait_for import WaitFor

KINDS: Mapping[str, type[Resource]] = {
    "apt": Package,
    "apt_repository": Deb822Repository,
    "assert": Assert,
    "authorized_key": AuthorizedKey,
    "blockinfile": BlockInFile,
    "build": Build,
    "certificate": Certificate,
    "command": Command,
    "copy": Copy,
    "cron": Cron,
    "deb822_repository": Deb822Repository,
    "debug": Debug,
    "deployment": Deployment,
    "file": File,
    "get_url": GetUrl,
    "git": Git,
    "group": Group,
    "hostname": Hostname,
    "lineinfile": LineInFile,
    "package": Package,
    "release": Release,
    "service": Service,
    "shell": ShellCommand,
    "sysctl": Sysctl,
    "systemd": Service,
    "systemd_service": Service,
    "systemd_unit": SystemdUnit,
    "template": Template,
    "timezone": Timezone,
    "unarchive": Unarchive,
    "uri": Uri,
    "user": User,
    "wait_for": WaitFor,
}
"""A module's name, without ``ansible.builtin.``, and its class. Aliases are names of their own, as in Ansible."""
