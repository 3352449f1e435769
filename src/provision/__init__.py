"""Ansible-style provisioning of FastAPI apps on Debian-family hosts."""

__version__ = "0.1.0"
