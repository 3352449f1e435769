"""Ansible's YAML inventory, resolved as ``ansible-inventory --list`` resolves it."""

from provision.inventory.connection import login_from, plain_logins
from provision.inventory.inventory import Inventory
from provision.inventory.model import Group, Host

__all__ = ["Group", "Host", "Inventory", "login_from", "plain_logins"]
