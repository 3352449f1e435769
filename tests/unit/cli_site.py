"""A folder as a user has it: an inventory of two hosts, and a role beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from provision.cli import main

SITE = """
all:
  hosts:
    web1: {site_port: 81, ansible_host: 192.0.2.1, ansible_password: hunter2}
    web2:
  vars:
    roles: [site]
    site_title: "Shop of {{ inventory_hostname }}"
    site_token: s3cr3t
    site_link: "https://{{ site_token }}@example.com"
"""
ROLE = {
    "roles/site/meta/argument_specs.yml": """
argument_specs:
  main:
    short_description: A static site
    description: Serves one page.
    options:
      site_port: {type: int, description: Where it listens.}
      site_title: {type: str, required: true, description: What it is called.}
      site_token: {type: str, no_log: true, description: A secret.}
      site_link: {type: str}
      site_mode: {type: str, choices: [fast, slow], description: How.}
      site_pages:
        type: list
        elements: dict
        options:
          path: {type: path, required: true}
          draft: {type: bool}
""",
    "roles/site/defaults/main.yml": "site_port: 80\nsite_mode: fast\nsite_cores: '{{ ansible_processor_vcpus }}'\n",
    "roles/site/tasks/main.yml": """
- name: Write the page
  copy:
    dest: /srv/site.html
    content: "{{ site_title }} {{ site_port }}"
""",
    "roles/site/README.md": "# site\n\nOne page.\n\n- `site_port`: where it\n  listens.\n",
}


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))


def invoke(*words: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, words, prog_name="provision")
