"""assert and debug: expressions of a role, evaluated on the controller with the facts of a host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from provision.errors import ConfigError, Refused
from provision.playbook import HostPlay
from provision.resources.base import Facts
from provision.resources.kinds import KINDS
from provision.resources.task import Task
from provision.role import Modules, load_role
from provision.templating import Templates
from provision.yamlfile import parse

from .fake_host import FakeHost, Setting, converge, task, up

BIG = Facts(distribution="Debian", os_family="Debian", memtotal_mb=4096)


def tasks(root: Path, text: str, specs: str = "") -> Sequence[Task]:
    """The tasks of a role, checked without a host and then resolved for one."""
    folder = root / "roles/shop"
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks/main.yml").write_text(text)
    if specs:
        (folder / "meta").mkdir()
        (folder / "meta/argument_specs.yml").write_text(f"argument_specs: {{main: {{options: {specs}}}}}")
    variables = parse("{shop_port: 80, shop_hosts: [a, ü], shop_key: s3cret}", Path("inventory.yml")).value
    assert isinstance(variables, dict)
    play = HostPlay([load_role("shop", [root / "roles"], Modules(KINDS))], variables, Templates(), folder=root)
    play.check()
    assert play.reads() == set()
    return play.resolve(BIG).tasks


def test_what_holds_lets_the_host_pass(tmp_path: Path) -> None:
    text = (
        "- assert: {that: [shop_port == 80, ansible_memtotal_mb > 4000, shop_key is defined, '{{ shop_port < 81 }}']}"
    )
    fake = FakeHost()
    up(converge(fake, [*tasks(tmp_path, text), task(Setting(key="a"))]))
    assert fake.settings == {"a": "new"}


def test_what_is_false_leaves_the_host_as_it_is(tmp_path: Path) -> None:
    """It stands last; and hosts in general may well have less memory, so no check without a host minds."""
    text = "- assert: {that: [true, ansible_memtotal_mb > 8000]}"
    fake = FakeHost()
    with pytest.raises(Refused) as refusal:
        up(converge(fake, [task(Setting(key="a")), *tasks(tmp_path, text)]))
    place = f"{tmp_path}/roles/shop/tasks/main.yml:1:25"
    assert refusal.value.message == f"ansible_memtotal_mb > 8000, asserted in {place}, is false"
    assert (fake.settings, fake.trips) == ({}, 1)


def test_what_is_false_is_said_in_the_words_of_its_author(tmp_path: Path) -> None:
    text = "- assert:\n    that: shop_port == 81\n    msg: port {{ shop_port }} is taken\n"
    with pytest.raises(Refused) as refusal:
        up(converge(FakeHost(), tasks(tmp_path, text)))
    assert refusal.value.message == "port 80 is taken"
    assert refusal.value.hint.startswith("shop_port == 81, asserted in ")


def test_a_false_assertion_of_a_skipped_task_does_not_count(tmp_path: Path) -> None:
    fake = FakeHost()
    up(converge(fake, tasks(tmp_path, "- assert: {that: false}\n  when: ansible_distribution == 'Ubuntu'\n")))
    assert fake.trips == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- assert: {that: [shop_port]}", "assert: that: shop_port gives 80, not true or false"),
        ("- assert: {that: [shop_prot == 1]}", "the variable shop_prot is not defined"),
        ("- assert: {that: ['shop_port ==']}", "unexpected end of condition"),
        ("- debug: {var: shop_prot}", "the variable shop_prot is not defined"),
        ("- debug: {msg: a, var: shop_port}", "debug: takes one of msg"),
    ],
)
def test_a_mistake_is_found_without_a_host(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        tasks(tmp_path, text)
    assert message in refusal.value.message
    assert refusal.value.position is not None


def test_debug_says_texts_and_values(tmp_path: Path) -> None:
    text = """
- debug: {msg: "port {{ shop_port }} of {{ ansible_memtotal_mb }} MB"}
- debug: {var: shop_hosts}
- debug: {var: shop_hosts | length}
- debug: {msg: "{{ item }}"}
  loop: "{{ shop_hosts }}"
- debug: {msg: never}
  when: false
"""
    fake = FakeHost()
    host = converge(fake, tasks(tmp_path, text))
    up(host)
    assert host.notices() == ["port 80 of 4096 MB", 'shop_hosts: ["a", "ü"]', "shop_hosts | length: 2", "a", "ü"]
    assert (fake.trips, host.tally.changed) == (1, 0)


def test_debug_keeps_a_secret(tmp_path: Path) -> None:
    text = "- debug: {var: shop_key}\n- debug: {msg: 'key {{ shop_key }}'}\n- debug: {msg: hush}\n  no_log: true\n"
    host = converge(
        FakeHost(), tasks(tmp_path, text, "{shop_port: {}, shop_hosts: {type: list}, shop_key: {no_log: true}}")
    )
    up(host)
    assert host.notices() == []


def test_modules_of_collections_are_known_by_their_full_names(tmp_path: Path) -> None:
    text = """
- ansible.builtin.debug: {msg: a}
- ansible.posix.sysctl: {name: vm.swappiness, value: 1}
  when: false
- ansible.posix.authorized_key: {user: app, key: ssh-rsa AAAA}
  when: false
- community.general.timezone: {name: Europe/Berlin}
  when: false
"""
    folder = tmp_path / "roles/shop/tasks"
    folder.mkdir(parents=True)
    (folder / "main.yml").write_text(text)
    role = load_role("shop", [tmp_path / "roles"], Modules(KINDS))
    assert [source.module.name for source in role.tasks if source.module] == [
        "debug",
        "sysctl",
        "authorized_key",
        "timezone",
    ]
