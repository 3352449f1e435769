"""The files of a new role: small, but with each part that a role can have, and passing its own test."""

from __future__ import annotations

import re
from collections.abc import Mapping

from provision.errors import ConfigError


def role_files(name: str, *, testinfra: bool = False) -> Mapping[str, str]:
    """Path below the role -> text. Raises ConfigError for a name that no variable could begin with."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        hint = "it begins the names of its variables: a letter, then a-z, 0-9 and _, such as my_role"
        raise ConfigError(f"a role cannot be called {name!r}", hint=hint)
    files = {**_FILES, **(_TESTINFRA if testinfra else {})}
    return {path.replace("NAME", name): text.replace("NAME", name) for path, text in files.items()}


_FILES = {
    "README.md": """\
# NAME

What this role is for, in a sentence.

```yaml
roles: [NAME]
NAME_greeting: Hello
```

`provision test` on this folder tries it on a fresh test host.
""",
    "tasks/main.yml": """\
# Done from top to bottom. A task says how things shall be; one that finds them so changes nothing.
# The modules and their fields: docs/modules.md of provision.
- name: Write the greeting
  template:
    src: greeting.j2
    dest: "{{ NAME_path }}"
    mode: "0644"
  # notify: restart NAME
""",
    "handlers/main.yml": """\
# Run after the tasks, when one that notifies it has changed something.
# - name: restart NAME
#   service:
#     name: NAME
#     state: restarted
""",
    "templates/greeting.j2": """\
# {{ ansible_managed }}
{{ NAME_greeting }}
""",
    "defaults/main.yml": """\
# The weakest values: each variable of an inventory stands above these.
NAME_greeting: Hello
NAME_path: /etc/NAME.conf
""",
    "meta/argument_specs.yml": """\
# The variables of the role: checked before a run, shown by `provision roles docs`, completed by editors.
argument_specs:
  main:
    short_description: Writes a greeting
    options:
      NAME_greeting:
        type: str
        description: What it says.
        default: Hello
      NAME_path:
        type: path
        description: Where it says it.
        default: /etc/NAME.conf
""",
    "tests/vars.yml": """\
# Variables for the test, as in an inventory; roles: names what runs, in this order.
roles: [NAME]
NAME_greeting: Hello from the test
""",
    "tests/verify.yml": """\
# Tasks again, but nothing is changed: the test fails where one of them would have something to do.
- name: The greeting can be read by all
  file:
    path: /etc/NAME.conf
    mode: "0644"

# Here command and shell need no creates or unless: they ask how a command ends, and what it prints.
- name: It says what the test wants
  command:
    cmd: cat /etc/NAME.conf
    stdout: Hello from the test
""",
}

_TESTINFRA = {
    "tests/test_NAME.py": '''\
"""Looks at the host through pytest-testinfra: https://testinfra.readthedocs.io/"""

from testinfra.host import Host


def test_the_greeting_belongs_to_root(host: Host) -> None:
    greeting = host.file("/etc/NAME.conf")
    assert greeting.user == "root"
    assert greeting.contains("Hello from the test")
''',
}
