"""Each bad inventory or pattern, its place, what is said of it and what to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.errors import ConfigError
from provision.inventory import Inventory

HERE = Path(__file__).parent / "inventories"


def _write(folder: Path, text: str, name: str = "hosts.yml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


ERRORS = [
    ("", "1:1", "this inventory is empty", "the smallest one is: all: {hosts: {203.0.113.10: }}"),
    ("all: {hsots: {a: }}", "1:7", "unknown key 'hsots' in the group all", "Did you mean hosts?"),
    (
        "web: {web1: {ansible_host: 192.0.2.1}}",
        "1:7",
        "unknown key 'web1' in the group web",
        "a group has `hosts:`, `children:` and `vars:`; hosts go under `hosts:`",
    ),
    (
        "all:\n  hosts:\n    - web1\n",
        "3:5",
        "the hosts of all must be a mapping, not a list",
        "write each name with a colon, `name:`, and no dash before it",
    ),
    ("all: {children: [web]}", "1:17", "the children of all must be a mapping, not a list", None),
    ("all: {vars: [a]}", "1:13", "the variables of all must be a mapping, not a list", None),
    ("all: {vars: a}", "1:13", "the variables of all must be a mapping, not text", None),
    ("all: {hosts: {a: 192.0.2.1}}", "1:18", "the variables of a must be a mapping, not text", None),
    ("web: [a]", "1:6", "the group web must be a mapping, not a list", None),
    ("hosts: {web1: }", "1:1", "`hosts:` stands at the top of the file, where groups are named", "put it under `all:`"),
    (
        "- hosts: all\n  tasks: []\n",
        "1:1",
        "an inventory is a mapping of groups, not a list",
        "this looks like a playbook; give the inventory",
    ),
    ("web1", "1:1", "an inventory is a mapping of groups, not text", "begin it with `all:`"),
    (
        "web1 ansible_host=192.0.2.1\n",
        "1:1",
        "INI inventories are not supported, only YAML",
        "convert it: ansible-inventory -i hosts.yml --list --yaml --export > inventory.yml",
    ),
    ("# ours\n[web]\nweb1\n", "2:1", "INI inventories are not supported, only YAML", None),
    (
        "plugin: amazon.aws.aws_ec2\n",
        "1:9",
        "provision.vagrant is the only inventory plugin that is supported",
        "convert it: ansible-inventory -i hosts.yml --list --yaml --export > inventory.yml",
    ),
    ("a: {children: {b: {children: {a: }}}}", "1:31", "the group a cannot be a child of b: it contains b", None),
    ("a: {children: {a: }}", "1:16", "the group a cannot be a child of a: it contains a", None),
    ("a: {children: {all: }}", "1:16", "the group all cannot be a child of a: it contains a", None),
    (
        "a: {children: {ungrouped: }}",
        "1:16",
        "ungrouped cannot be a child of a: it holds the hosts of no other group",
        "give the group a name of its own",
    ),
    (
        "a: {children: {b: }}\nb: {children: {c: }}\nc: {children: {a: }}",
        "3:16",
        "the group a cannot be a child of c: it contains c",
        "remove one of the two",
    ),
    (
        "a: {vars: {ansible_group_priority: high}}",
        "1:36",
        "ansible_group_priority must be a whole number, not high",
        None,
    ),
    ("a: {hosts: {'web[1:]': }}", "1:13", "the range [1:] must have two numbers or two letters", None),
    (
        "a: {hosts: {'web[01:5]': }}",
        "1:13",
        "the range [01:5] must have as many digits at its end as at its beginning",
        None,
    ),
    (
        "a: {hosts: {'web[5:1]': }}",
        "1:13",
        "the range [5:1] ends before it begins",
        "ranges look like [01:10] or [a:f]",
    ),
    ("a: {hosts: {'web[1:3:0]': }}", "1:13", "the range [1:3:0] must have a step of 1 or more", None),
    ("a: {hosts: {'web[1]': }}", "1:13", "the range [1] must be begin:end or begin:end:step", None),
    ("a: {hosts: {'web[1:900000000]': }}", "1:13", "the range [1:900000000] makes more than 100000 hosts", None),
    ("a: {hosts: {'w[1:999]-[1:999]': }}", "1:13", "this range makes more than 100000 hosts", None),
    ("a: {hosts: {'web:70000': }}", "1:13", "70000 is not a port", "a port lies between 1 and 65535"),
    ("a: {hosts: {a b: }}", "1:13", "'a b' cannot be the name of a host", None),
    ("a: {hosts: {../x: }}", "1:13", "'../x' cannot be the name of a host", None),
    ("a: {hosts: {-oProxyCommand=x: }}", "1:13", "'-oProxyCommand=x' cannot be the name of a host", None),
    ("a: {hosts: {'web[': }}", "1:13", "'web[' cannot be the name of a host", None),
    (
        "all: {hosts: {a: {ansible_connection: local}}}",
        "1:39",
        "ansible_connection must be ssh: every host is reached by SSH, this machine too (`ansible_host: 127.0.0.1`)",
        "",
    ),
    (
        "all: {vars: {ansible_become_method: su}, hosts: {a: }}",
        "1:37",
        "ansible_become_method must be sudo: log in as root, or as a user who may use sudo",
        None,
    ),
    (
        "all: {vars: {ansible_become_user: app}, hosts: {a: }}",
        "1:35",
        "ansible_become_user must be root; what an app runs as is a variable of its role",
        None,
    ),
    ("all: {hosts: {a: {ansible_port: ssh}}}", "1:33", "ansible_port must be a port between 1 and 65535", None),
    ("all: {hosts: {a: {ansible_port: 0}}}", "1:33", "ansible_port must be a port between 1 and 65535", None),
    ("all: {hosts: {a: {ansible_host: [b]}}}", "1:33", "ansible_host must be text without spaces around it", None),
    (
        "all: {hosts: {a: {ansible_host: -oX}}}",
        "1:33",
        "ansible_host must be one word that does not begin with a dash",
        None,
    ),
    (
        "all: {hosts: {a: {ansible_ssh_timeout: soon}}}",
        "1:40",
        "ansible_ssh_timeout must be a number of seconds above 0",
        None,
    ),
    (
        'all: {hosts: {a: {ansible_ssh_common_args: "-o \'X"}}}',
        "1:44",
        "ansible_ssh_common_args must be options of ssh: no closing quotation",
        None,
    ),
    (
        "all: {hosts: {a: {ansible_ssh_private_key_passphrase: x}}}",
        "1:55",
        "ansible_ssh_private_key_passphrase is not supported: load the key into ssh-agent",
        None,
    ),
    ("all:\n\thosts:", "2:1", "a tab: YAML indents with spaces", "replace it with spaces"),
]


@pytest.mark.parametrize(("text", "place", "message", "hint"), ERRORS, ids=[text[:50] for text, *_ in ERRORS])
def test_errors_say_where_what_and_what_next(
    text: str, place: str, message: str, hint: str | None, tmp_path: Path
) -> None:
    file = _write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        Inventory.load(file)
    assert (str(caught.value.position), caught.value.message) == (f"{file}:{place}", message)
    assert hint is None or caught.value.hint == hint


def test_what_is_no_yaml_file_is_refused_by_name(tmp_path: Path) -> None:
    def refusal(path: Path) -> tuple[str, str]:
        with pytest.raises(ConfigError) as caught:
            Inventory.load(path)
        return caught.value.message.replace(str(tmp_path), ""), caught.value.hint

    convert = "convert it: ansible-inventory -i {} --list --yaml --export > inventory.yml"
    assert refusal(tmp_path / "none.yml") == (
        "/none.yml: there is no such inventory",
        "give the path of an Ansible inventory in YAML",
    )
    assert refusal(_write(tmp_path, "[web]\na\n", "h.ini")) == (
        "/h.ini: only YAML inventories are supported",
        convert.format("h.ini"),
    )
    assert refusal(_write(tmp_path, "#!/bin/sh\n", "dynamic")) == (
        "/dynamic: inventory scripts are not run",
        convert.format("dynamic"),
    )
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty") == ("/empty: there is no inventory file in this folder", "")


def test_a_variable_file_must_be_a_mapping(tmp_path: Path) -> None:
    file = _write(tmp_path, "all: {hosts: {a: }}")
    variables = _write(tmp_path, "- x\n", "host_vars/a.yml")
    with pytest.raises(ConfigError, match="a file of variables must be a mapping, not a list") as caught:
        Inventory.load(file)
    assert str(caught.value.position) == f"{variables}:1:1"


@pytest.mark.parametrize(
    ("pattern", "message", "hint"),
    [
        ("wbe1", "no host and no group matches 'wbe1'", "Did you mean web1?"),
        ("web1,stagign", "no host and no group matches 'stagign'", "Did you mean staging?"),
        ("~^x", "no host and no group matches '~^x'", "`provision inventory --graph` shows what there is"),
        ("~(", "'~(' is not a valid pattern: missing ), unterminated subpattern at position 0", ""),
        ("empty", "the pattern 'empty' leaves no host: the group empty has no hosts", ""),
        ("web:!all", "the pattern 'web !all' leaves no host", ""),
        ("web[9]", "'web[9]' matches no host: there are 6, counted from 0", ""),
        ("@/nonexistent", "/nonexistent: cannot be read as a list of hosts: No such file or directory", ""),
    ],
)
def test_a_pattern_that_matches_nothing_is_named(pattern: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Inventory.load(HERE / "patterns/inventory.yml").select(pattern)
    assert (caught.value.message, caught.value.hint) == (message, hint)
