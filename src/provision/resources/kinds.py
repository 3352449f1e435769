"""Every kind of resource by its name in YAML."""

from __future__ import annotations

from collections.abc import Mapping

from provision.resources.apt_repository import Deb822Repository
from provision.resources.base import Resource
from provision.resources.build import Build
from provision.resources.certificate import Certificate
from provision.resources.command import Command, ShellCommand
from provision.resources.copy import Copy
from provision.resources.deployment import Deployment
from provision.resources.file import File
from provision.resources.group import Group
from provision.resources.package import Package
from provision.resources.release import Release
from provision.resources.service import Service
from provision.resources.template import Template
from provision.resources.uri import Uri
from provision.resources.user import User

KINDS: Mapping[str, type[Resource]] = {
    "apt": Package,
    "apt_repository": Deb822Repository,
    "build": Build,
    "certificate": Certificate,
    "command": Command,
    "copy": Copy,
    "deb822_repository": Deb822Repository,
    "deployment": Deployment,
    "file": File,
    "group": Group,
    "package": Package,
    "release": Release,
    "service": Service,
    "shell": ShellCommand,
    "systemd": Service,
    "systemd_service": Service,
    "template": Template,
    "uri": Uri,
    "user": User,
}
"""A module's name, without ``ansible.builtin.``, and its class. Aliases are names of their own, as in Ansible."""
