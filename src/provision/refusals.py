"""What of Ansible's playbook language is refused, by name, with what to do instead; docs/ansible.md shows it."""

from __future__ import annotations

from collections.abc import Mapping

_ROOT = "Everything runs as root; remove it, or use `runuser -u NAME -- ...` in a command."
_ORDER = "Put the tasks into tasks/main.yml, in the order they run."
_LOOP = "Use loop."
_FAILURE = "A failed task stops its host, and the next run goes on from there; remove it."
_READ = "Tasks do not pass results on; use a variable, or a command with creates or unless."
_VARIABLE = "Put it into defaults/main.yml or the inventory."
_DEBIAN = "provision manages hosts of the Debian family only; use package."
_WHERE = "Every task runs on the host itself; remove it."

TASK_KEYWORDS: Mapping[str, str] = {
    "action": "Write the module's name as the key.",
    "always": _FAILURE,
    "any_errors_fatal": _FAILURE,
    "args": "Put the fields into the module's own mapping.",
    "async": "Long steps show their output while they run; remove it.",
    "become": _ROOT,
    "become_exe": _ROOT,
    "become_flags": _ROOT,
    "become_method": _ROOT,
    "become_user": _ROOT,
    "block": "Repeat when and tags on each task.",
    "changed_when": "A command says creates, removes or unless; what they find is what counts as changed.",
    "check_mode": "Every task can be planned; remove it.",
    "collections": "There are only the modules that come with provision; remove it.",
    "connection": _WHERE,
    "debugger": _FAILURE,
    "delay": _FAILURE,
    "delegate_facts": _WHERE,
    "delegate_to": _WHERE,
    "diff": "Use --diff on the command line.",
    "environment": "Use the field environment of command and shell.",
    "failed_when": _FAILURE,
    "ignore_errors": _FAILURE,
    "ignore_unreachable": _FAILURE,
    "listen": "Only handlers listen.",
    "local_action": _WHERE,
    "module_defaults": "Repeat the field on each task.",
    "poll": "Long steps show their output while they run; remove it.",
    "port": _WHERE,
    "register": _READ,
    "remote_user": "Set ansible_user in the inventory.",
    "rescue": _FAILURE,
    "retries": _FAILURE,
    "run_once": "Put the role on one host of the inventory.",
    "throttle": "Use --forks, or `rolling: true` in the role's meta/main.yml.",
    "timeout": "Remove it; a step may take its time, and Ctrl-C stops after it.",
    "until": _FAILURE,
    "vars": _VARIABLE,
}

LOOPS_PREFIX = "with_"
"""``with_items`` and its like."""

LOOPS_HINT = _LOOP

MODULES: Mapping[str, str] = {
    "add_host": "Write the host into the inventory.",
    "apt_key": "Use deb822_repository with signed_by.",
    "assemble": "Use template.",
    "dnf": _DEBIAN,
    "dnf5": _DEBIAN,
    "expect": "Use command with creates or unless.",
    "fail": "Use assert, or declare the variable in meta/argument_specs.yml.",
    "gather_facts": "Facts are always known; remove it.",
    "group_by": "Write the group into the inventory.",
    "import_role": "List the role under roles: in the inventory.",
    "import_tasks": _ORDER,
    "include": _ORDER,
    "include_role": "List the role under roles: in the inventory.",
    "include_tasks": _ORDER,
    "include_vars": _VARIABLE,
    "iptables": "Use the role firewall; its firewall_allow lets in more.",
    "package_facts": "Facts are always known; remove it.",
    "pause": "Remove it; every step waits for its own end.",
    "ping": "Remove it; a run connects anyway.",
    "pip": "The app role installs the app's dependencies; use shell with creates for others.",
    "raw": "Use shell.",
    "reboot": "Reboot the host yourself; provision never does.",
    "replace": "Use lineinfile, or write the whole file with template or copy.",
    "script": "Use copy, then command with creates or unless.",
    "service_facts": "Facts are always known; remove it.",
    "set_fact": _VARIABLE,
    "setup": "Facts are always known; remove it.",
    "slurp": _READ,
    "stat": _READ,
    "wait_for_connection": "Remove it; a run connects anyway.",
    "yum": _DEBIAN,
}

ROLE_FOLDERS: Mapping[str, str] = {
    "library": "A module of your own is a kind of resource; see CONTRIBUTING.md.",
    "vars": "Put the variables into defaults/main.yml, where the inventory can change them.",
}
