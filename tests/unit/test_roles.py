"""Roles from disk to the tasks of a host, and every mistake in them with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from provision import refusals
from provision.errors import ConfigError, Position
from provision.playbook import HostPlay
from provision.resources.base import Diff, Digest, Facts, LocalFile, Read, Rendered, Stat, State, Step, Unit
from provision.resources.fields import Mode, option
from provision.resources.task import Handler
from provision.role import SHIPPED, Modules, Role, load_role
from provision.source import SourceTree
from provision.templating import Templates
from provision.yamlfile import Node, from_plain, parse


@dataclass(frozen=True)
class Kind:
    """A kind that wants nothing."""

    def desired(self, facts: Facts) -> State:
        return {}

    def change(self, diff: Diff) -> list[Step]:
        return []


@dataclass(frozen=True)
class Copy(Kind):
    IDENTITY: ClassVar[tuple[str, ...]] = ("dest",)

    dest: str
    src: LocalFile | None = None
    content: str | None = None
    mode: Mode = field(default=Mode("0644"))
    password: str = field(default="", metadata=option(no_log=True))

    def reads(self) -> Iterable[Read]:
        return (Digest(self.dest),)


@dataclass(frozen=True)
class Template(Kind):
    IDENTITY: ClassVar[tuple[str, ...]] = ("dest",)

    dest: str
    src: Rendered

    def reads(self) -> Iterable[Read]:
        return (Stat(self.dest),)


@dataclass(frozen=True)
class Service(Kind):
    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    state: Literal["started", "stopped"] = "started"

    def reads(self) -> Iterable[Read]:
        return (Unit(self.name),)


@dataclass(frozen=True)
class Release(Kind):
    IDENTITY: ClassVar[tuple[str, ...]] = ("dest",)

    dest: str
    src: SourceTree

    def reads(self) -> Iterable[Read]:
        return (Stat(self.dest),)


MODULES = Modules({"copy": Copy, "release": Release, "template": Template, "service": Service, "systemd": Service})
HANDLER = "- name: restart shop\n  service: {name: shop, state: restarted}\n"
MAPPING = "Write one `name: value` per line, indented and without dashes."
DEBIAN = Facts(distribution="Debian", distribution_release="bookworm", hostname="web1", processor_vcpus=4)


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def role(root: Path, files: Mapping[str, str], name: str = "shop") -> Role:
    write(root / "roles" / name, files)
    return load_role(name, [root / "roles"], MODULES)


def variables(text: str) -> dict[str, Node]:
    value = parse(text, Path("inventory.yml")).value
    assert isinstance(value, dict)
    return value


def play(root: Path, files: Mapping[str, str], inventory: str = "{}", extra: str = "{}") -> HostPlay:
    return HostPlay([role(root, files)], variables(inventory), Templates(), extra=variables(extra), folder=root)


def tasks(text: str) -> dict[str, str]:
    return {"tasks/main.yml": text, "handlers/main.yml": HANDLER}


def failure(action: Any, *arguments: Any) -> tuple[str, str, str]:
    with pytest.raises(ConfigError) as caught:
        action(*arguments)
    position = caught.value.position
    place = f"{position.file.parent.name}/{position.file.name}:{position.line}:{position.column}" if position else ""
    return place, caught.value.message, caught.value.hint


# Loading


def test_a_role_of_the_user_comes_before_the_shipped_one(tmp_path: Path) -> None:
    write(tmp_path, {"own/web/tasks/main.yml": "[]", "own/web/defaults/main.yml": "a: 1", "shipped/web/x": ""})
    found = load_role("web", [tmp_path / "own", tmp_path / "shipped"], MODULES)
    assert (found.path, found.defaults["a"].value, found.rolling) == (tmp_path / "own/web", 1, False)


def test_ansibles_layout_is_read(tmp_path: Path) -> None:
    found = role(
        tmp_path,
        {
            "tasks/main.yaml": "- ansible.builtin.copy: {dest: /a}\n- meta: flush_handlers\n",
            "handlers/main.yml": HANDLER,
            "defaults/main.yml": "shop_port: 80\n",
            "meta/main.yml": "galaxy_info: {author: me}\ndependencies: []\nrolling: true\n",
            "meta/argument_specs.yml": "argument_specs: {main: {options: {shop_port: {type: int}}}}",
        },
    )
    assert [task.module and task.module.name for task in found.tasks] == ["copy", None]
    assert (found.rolling, set(found.defaults), set(found.arguments or {})) == (True, {"shop_port"}, {"shop_port"})


def test_an_empty_file_declares_nothing(tmp_path: Path) -> None:
    found = role(tmp_path, {"tasks/main.yml": "---\n", "defaults/main.yml": "shop_port: 80"})
    assert (found.tasks, found.handlers, found.arguments) == ((), (), None)


def test_specs_may_lie_in_meta_main(tmp_path: Path) -> None:
    specs = "argument_specs: {main: {options: {shop_port: {type: int}}}}"
    found = role(tmp_path, {"meta/main.yml": specs, "defaults/main.yml": "shop_port: 1"})
    assert set(found.arguments or {}) == {"shop_port"}


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("shpo", "there is no role shpo", "Did you mean shop?"),
        ("zzzzzz", "there is no role zzzzzz", "Roles: python, shop. Your own go into {root}/roles/."),
        ("../x", "a role is given by its name, not by a path: ../x", "Put the role into roles/ beside the inventory."),
        (
            "hollow",
            "the role hollow in {root}/empty/hollow is empty",
            "A role has tasks/main.yml, and beside it defaults, handlers, templates, files and meta.",
        ),
    ],
)
def test_a_role_that_cannot_be_loaded(tmp_path: Path, name: str, message: str, hint: str) -> None:
    write(tmp_path, {"roles/shop/x": "", "shipped/python/x": ""})
    search = [tmp_path / "roles", tmp_path / "shipped"]
    if name == "hollow":
        write(tmp_path, {"empty/hollow/README.md": ""})
        search = [tmp_path / "empty"]
    place = Position(Path("group_vars/all.yml"), 3, 4)
    expected = ("group_vars/all.yml:3:4", message.format(root=tmp_path), hint.format(root=tmp_path))
    assert failure(load_role, name, search, MODULES, place) == expected


SOURCE_ERRORS = [
    # What stands in a task.
    ("a: 1", "1:1", "a file of tasks is a list, not a mapping", "Begin each of the tasks with a dash: `- name: ...`."),
    ("- copy", "1:3", "a task must be a mapping, not 'copy'", MAPPING),
    ("- name: x", "1:3", "this task names no module", "Modules: copy, release, template, service, systemd."),
    ("- cpoy: {}", "1:3", "there is no module cpoy", "Did you mean copy?"),
    ("- zzz: {}", "1:3", "there is no module zzz", "Modules: copy, release, template, service, systemd."),
    ("- copy: {dest: /a}\n  notfy: x", "2:3", "there is no keyword or module notfy", "Did you mean notify?"),
    (
        "- copy: {dest: /a}\n  service: {name: a}",
        "2:3",
        "copy and service in one task",
        "A task has one module; make two tasks of it.",
    ),
    ("- copy: {dset: /a}", "1:10", "copy has no field dset", "Did you mean dest?"),
    ("- copy:\n    mode: 0644", "1:3", "copy needs dest", ""),
    ("- meta: end_play", "1:9", "meta: end_play is not supported", "Only `meta: flush_handlers` is supported."),
    (
        "- service: {name: a, state: restarted}",
        "1:29",
        "state: restarted is for handlers only",
        "Write `notify: NAME` on the tasks it depends on, and a handler NAME with state: restarted.",
    ),
    (
        "- ansible.builtin.systemd: {name: a, state: reloaded}",
        "1:45",
        "state: reloaded is for handlers only",
        "Write `notify: NAME` on the tasks it depends on, and a handler NAME with state: reloaded.",
    ),
    ("- copy: {dest: /a}\n  no_log: maybe", "2:11", "no_log must be true or false, not 'maybe'", ""),
    ("- copy: {dest: /a}\n  notify: {a: 1}", "2:11", "notify must be text, not a mapping", ""),
    ("- copy: {dest: /a}\n  tags: [[a]]", "2:10", "tags must be text, not a list", ""),
    (
        "- copy: {dest: /a}\n  loop_control: {loop_var: x}",
        "2:18",
        "loop_var of loop_control is not supported",
        "Only label is; the item is called item.",
    ),
    ("- copy: {dest: /a}\n  with_items: [a]", "2:3", "with_items is not supported", "Use loop."),
    (
        "- service: name=shop state=started",
        "1:12",
        "service takes a mapping of its fields, not text",
        "Write:\nservice:\n  name: shop\n  state: started",
    ),
]


@pytest.mark.parametrize(("text", "place", "message", "hint"), SOURCE_ERRORS)
def test_a_task_that_cannot_be_read(tmp_path: Path, text: str, place: str, message: str, hint: str) -> None:
    assert failure(role, tmp_path, tasks(text)) == (f"tasks/main.yml:{place}", message, hint)


@pytest.mark.parametrize("keyword", sorted(refusals.TASK_KEYWORDS))
def test_a_keyword_of_ansible_is_refused_with_the_alternative(tmp_path: Path, keyword: str) -> None:
    text = f"- copy: {{dest: /a}}\n  {keyword}: x"
    hint = refusals.TASK_KEYWORDS[keyword]
    assert failure(role, tmp_path, tasks(text)) == ("tasks/main.yml:2:3", f"{keyword} is not supported", hint)


@pytest.mark.parametrize("module", sorted(refusals.MODULES))
def test_a_module_of_ansible_is_refused_with_the_alternative(tmp_path: Path, module: str) -> None:
    text = f"- ansible.builtin.{module}:\n    a: 1"
    expected = ("tasks/main.yml:1:3", f"the module {module} is not supported", refusals.MODULES[module])
    assert failure(role, tmp_path, tasks(text)) == expected


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("- service: {name: a, state: restarted}", "1:3", "a handler needs a name", ""),
        (
            "- name: x\n  copy: {dest: /a}",
            "2:3",
            "a handler cannot use copy",
            "A handler uses service, systemd, systemd_service with state: restarted or reloaded.",
        ),
        (
            "- name: x\n  service: {name: a, state: started}",
            "2:29",
            "state of service in a handler must be one of restarted, reloaded, not 'started'",
            "Did you mean restarted?",
        ),
        ("- name: x\n  service: {name: a}", "2:3", "service needs name and state in a handler", ""),
        (
            "- name: x\n  service: {name: a, state: restarted, enabled: yes}",
            "2:40",
            "enabled is not supported in a handler",
            "A handler has name and state; put the rest into a task.",
        ),
        (
            "- name: x\n  service: {name: a, state: restarted}\n  when: true",
            "3:3",
            "when is not supported in a handler",
            "Put the condition on the tasks that notify it.",
        ),
    ],
)
def test_a_handler_that_cannot_be_read(tmp_path: Path, text: str, place: str, message: str, hint: str) -> None:
    assert failure(role, tmp_path, {"handlers/main.yml": text}) == (f"handlers/main.yml:{place}", message, hint)


@pytest.mark.parametrize(
    ("file", "text", "place", "message"),
    [
        ("meta/main.yml", "roling: true", "meta/main.yml:1:1", "roling of meta/main.yml is not supported"),
        ("meta/main.yml", "rolling: 5", "meta/main.yml:1:10", "rolling must be true or false, not '5'"),
        ("meta/main.yml", "dependencies: [a]", "meta/main.yml:1:1", "dependencies of a role are not supported"),
        ("defaults/main.yml", "[a]", "defaults/main.yml:1:1", "defaults/main.yml must be a mapping, not a list"),
    ],
)
def test_other_files_of_a_role_that_cannot_be_read(
    tmp_path: Path, file: str, text: str, place: str, message: str
) -> None:
    assert failure(role, tmp_path, {file: text})[:2] == (place, message)


@pytest.mark.parametrize("folder", sorted(refusals.ROLE_FOLDERS))
def test_a_folder_of_ansible_is_refused(tmp_path: Path, folder: str) -> None:
    _, message, hint = failure(role, tmp_path, {f"{folder}/main.yml": "a: 1"})
    where = tmp_path / "roles/shop" / folder
    assert (message, hint) == (f"{where}: {folder}/ of a role is not supported", refusals.ROLE_FOLDERS[folder])


# Reading, before the facts


def test_reads_come_from_identities_alone(tmp_path: Path) -> None:
    made = play(
        tmp_path,
        tasks(
            "- copy: {dest: '{{ folder }}/a', content: '{{ ansible_hostname }}'}\n"
            "- copy: {dest: '/etc/{{ item }}'}\n  loop: [b, c]\n  when: ansible_distribution == 'Debian'\n"
            "- copy: {dest: /d}\n  when: false\n"
            "- service: {name: shop}\n"
            "- meta: flush_handlers\n"
        ),
        "folder: /etc",
    )
    assert made.reads() == {Digest("/etc/a"), Digest("/etc/b"), Digest("/etc/c"), Digest("/d"), Unit("shop")}


@pytest.mark.parametrize(
    "text",
    [
        "- copy: {dest: '/etc/{{ ansible_hostname }}'}",
        "- copy: {dest: '/etc/{{ item }}'}\n  loop: '{{ [ansible_hostname] }}'",
        "- copy: {dest: '{{ nowhere }}'}\n  when: nowhere is defined",
    ],
)
def test_what_cannot_be_identified_yet_is_not_read(tmp_path: Path, text: str) -> None:
    assert play(tmp_path, tasks(text)).reads() == set()


# Rendering, with the facts


def test_a_playbook_is_rendered(tmp_path: Path) -> None:
    made = play(
        tmp_path,
        {
            "defaults/main.yml": "shop_port: 80\nshop_unit: shop\n",
            "handlers/main.yml": "- name: restart {{ shop_unit }}\n  listen: [changed, all]\n"
            "  ansible.builtin.systemd: {name: '{{ shop_unit }}', state: restarted, daemon_reload: true}\n",
            "tasks/main.yml": "- name: Configure {{ shop_unit }}\n  copy: {dest: /a, content: '{{ shop_port }}'}\n"
            "  notify: changed\n  tags: [config, 'a, b']\n"
            "- meta: flush_handlers\n"
            "- service: {name: '{{ shop_unit }}'}\n  notify: ['restart {{ shop_unit }}', all]\n",
            "meta/main.yml": "rolling: true",
        },
    )
    playbook = made.resolve(DEBIAN)
    first, flush, last = playbook.tasks
    assert (first.role, first.name, first.kind) == ("shop", "Configure shop", "copy")
    assert (first.resource, first.notify, first.tags) == (
        Copy("/a", content="80"),
        ("changed",),
        frozenset({"config", "a", "b"}),
    )
    assert flush.flush
    assert (last.name, last.resource, last.notify) == ("service", Service("shop"), ("restart shop", "all"))
    assert playbook.handlers == (Handler("shop", "restart shop", "shop", "restarted", ("changed", "all")),)
    assert playbook.rolling == made.rolling == {"shop"}


def test_set_wins_over_the_inventory_and_that_over_defaults(tmp_path: Path) -> None:
    files = {"defaults/main.yml": "a: 1\nb: 1\nc: 1\n", **tasks("- copy: {dest: '/{{ a }}{{ b }}{{ c }}'}")}
    assert play(tmp_path, files, "{b: 2, c: 2}", "{c: 3}").resolve(DEBIAN).tasks[0].resource == Copy("/123")


def test_defaults_of_one_role_are_visible_to_all(tmp_path: Path) -> None:
    first = role(tmp_path, tasks("- copy: {dest: '{{ last_path }}'}"))
    last = role(tmp_path, {"defaults/main.yml": "last_path: /x"}, "last")
    assert HostPlay([first, last], {}, Templates()).resolve(DEBIAN).tasks[0].resource == Copy("/x")


@pytest.mark.parametrize(
    ("value", "given", "refused"), [("redis", set(), True), ("nginx", set(), False), ("redis", {"packages"}, False)]
)
def test_a_default_that_two_roles_set_otherwise_is_refused(
    tmp_path: Path, value: str, given: set[str], refused: bool
) -> None:
    """In Ansible each role sees its own: the first would silently install what the second wants."""
    first = role(tmp_path, {"defaults/main.yml": "packages: [nginx]\n"})
    last = role(tmp_path, {"defaults/main.yml": f"packages: [{value}]\n"}, "last")
    variables = {name: from_plain(["curl"], Position(Path("inventory.yml"), 1, 1)) for name in given}
    made = HostPlay([first, last], variables, Templates())
    if not refused:
        made.check()
        return
    with pytest.raises(
        ConfigError, match=r"packages is a default of the role shop too, with another value \(.*:1:"
    ) as caught:
        made.check()
    assert "set it in the inventory" in caught.value.hint


def test_of_handlers_with_one_name_the_last_counts(tmp_path: Path) -> None:
    first = role(tmp_path, {"handlers/main.yml": HANDLER})
    other = HANDLER.replace("name: shop", "name: other")
    last = role(tmp_path, {"handlers/main.yml": other}, "last")
    handlers = HostPlay([first, last], {}, Templates()).resolve(DEBIAN).handlers
    assert [(handler.role, handler.unit) for handler in handlers] == [("last", "other")]


def test_a_loop_makes_one_task_for_each_item(tmp_path: Path) -> None:
    text = (
        "- name: Write\n  copy: {dest: '/{{ item.name }}', mode: '{{ item.mode }}'}\n"
        "  loop: [{name: a, mode: 0600}, {name: b, mode: 0640}]\n  loop_control: {label: '{{ item.name }}'}\n"
        "- copy: {dest: '/{{ item }}'}\n  loop: '{{ words }}'\n  when: item != 'c'\n"
        "- copy: {dest: '/{{ item.x }}'}\n  loop: [{x: 1}]\n"
    )
    found = play(tmp_path, tasks(text), "words: [c, 3.10]").resolve(DEBIAN).tasks
    assert [(task.name, task.when) for task in found] == [
        ("Write (item=a)", True),
        ("Write (item=b)", True),
        ("copy (item=c)", False),
        ("copy (item=3.10)", True),
        ('copy (item={"x": 1})', True),
    ]
    assert [task.resource for task in found if task.when] == [
        Copy("/a", mode=Mode("0600")),
        Copy("/b", mode=Mode("0640")),
        Copy("/3.10"),
        Copy("/1"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "- name: Write {{ none_such }}\n  copy: {dest: '{{ none_such }}'}\n  when: none_such is defined",
        "- copy: {dest: /a}\n  loop: [1]\n  loop_control: {label: '{{ none_such }}'}\n  when: none_such is defined",
        "- copy: {dest: /a}\n  when: none_such is defined\n  notify: restart {{ none_such }}",
        "- copy: {dest: '/{{ item }}'}\n  loop: '{{ nowhere }}'\n  when: nowhere is defined",
        "- copy: {dest: /a, src: '{{ nowhere }}'}\n  when: [true, ansible_hostname == 'other']",
    ],
)
def test_what_a_condition_protects_need_not_be_defined(tmp_path: Path, text: str) -> None:
    made = play(tmp_path, tasks(text))
    made.check()
    assert [(task.when, task.resource is None) for task in made.resolve(DEBIAN).tasks] == [(False, False)]


def test_a_skipped_task_can_still_be_read(tmp_path: Path) -> None:
    (task,) = play(tmp_path, tasks("- copy: {dest: /a, src: none}\n  when: false")).resolve(DEBIAN).tasks
    assert task.resource is not None
    assert set(task.resource.reads()) == {Digest("/a")}


NO_LOG = [
    ("- copy: {dest: /a, content: '{{ shop_port }}'}", False),
    ("- copy: {dest: /a}\n  no_log: true", True),
    ("- copy: {dest: /a, password: x}", True),
    ("- copy: {dest: /a, content: '{{ shop_key }}'}", True),
    ("- copy: {dest: /a, content: '{{ shop_url }}'}", True),
    ("- template: {dest: /a, src: key.j2}", True),
    ("- template: {dest: /a, src: port.j2}", False),
    ("- copy: {dest: /a, content: '{{ item }}'}\n  loop: '{{ [shop_key] }}'", True),
    ("- copy: {dest: /a}\n  when: shop_key != ''", False),
]


@pytest.mark.parametrize(("text", "hidden"), NO_LOG)
def test_a_task_with_a_secret_is_not_logged(tmp_path: Path, text: str, hidden: bool) -> None:
    files = {
        "meta/argument_specs.yml": "argument_specs: {main: {options: {shop_key: {no_log: true}, shop_url: {}}}}",
        "defaults/main.yml": "shop_port: 80\nshop_key: hunter2\nshop_url: 'x{{ shop_key }}'\n",
        "templates/key.j2": "{{ shop_url }}",
        "templates/port.j2": "{{ shop_port }}",
        **tasks(f"- copy: {{dest: /z, content: '{{{{ shop_url }}}}'}}\n{text}"),
    }
    task = play(tmp_path, files).resolve(DEBIAN).tasks[1]
    assert task.no_log is hidden
    assert "hunter2" not in task.name


def test_files_are_found_in_the_role_and_beside_the_inventory(tmp_path: Path) -> None:
    write(tmp_path, {"files/b": "inventory", "c": "relative", "sub/d": "absolute", "templates/u.j2": "unused"})
    text = "\n".join(f"- copy: {{dest: /x, src: {name}}}" for name in ("a", "b", "c", tmp_path / "sub/d"))
    files = {
        "files/a": "role",
        "templates/t.j2": "{{ shop_port }}\n",
        **tasks(f"{text}\n- template: {{dest: /x, src: t.j2}}"),
    }
    found = [task.resource for task in play(tmp_path, files, "shop_port: 80").resolve(DEBIAN).tasks]
    data = [resource.src.data for resource in found if isinstance(resource, Copy) and resource.src]
    assert data == [b"role", b"inventory", b"relative", b"absolute"]
    assert found[-1] == Template("/x", Rendered(str(tmp_path / "roles/shop/templates/t.j2"), "80\n"))


def test_an_apps_folder_is_packed_relative_to_the_inventory(tmp_path: Path) -> None:
    write(tmp_path, {"app/main.py": "x = 1\n"})
    made = play(tmp_path, tasks("- release: {dest: /x, src: '{{ folder }}'}"), "folder: app")
    (task,) = made.resolve(DEBIAN).tasks
    assert isinstance(task.resource, Release)
    assert [file.name for file in task.resource.src.files] == ["main.py"]
    assert made.roles == ("shop",)


def test_an_app_that_is_not_there_is_reported_where_it_is_named(tmp_path: Path) -> None:
    made = play(tmp_path, tasks("- release: {dest: /x, src: none}"))
    assert failure(made.check)[0] == "tasks/main.yml:1:28"


def test_roles_and_files_are_read_once_for_all_hosts(tmp_path: Path) -> None:
    shared = role(tmp_path, {"templates/t.j2": "{{ port }}", **tasks("- template: {dest: /x, src: t.j2}")})
    templates = Templates()
    file = shared.path / "templates/t.j2"
    for port in ("1", "2"):
        (task,) = HostPlay([shared], variables(f"port: {port}"), templates).resolve(DEBIAN).tasks
        assert task.resource == Template("/x", Rendered(str(file), port))
        file.write_text("changed")


def test_declared_types_are_given_to_variables_of_any_origin(tmp_path: Path) -> None:
    files = {
        "meta/argument_specs.yml": "argument_specs: {main: {options: {shop_version: {type: str}, shop_old: {type: str},"
        " shop_cores: {type: int}}}}",
        "defaults/main.yml": "shop_old: 3.10\n",
        **tasks("- copy: {dest: /a, content: '{{ shop_version }} {{ shop_old }} {{ shop_cores + 1 }}'}"),
    }
    made = play(tmp_path, files, "{shop_version: 3.20, shop_cores: '{{ ansible_processor_vcpus }}'}")
    assert made.resolve(DEBIAN).tasks[0].resource == Copy("/a", content="3.20 3.10 5")


# Mistakes that need the variables


CHECKED = [
    (
        "- copy: {dest: /a}\n  notify: 'restart {{ prot }}'",
        "tasks/main.yml:2:23",
        "the variable prot is not defined",
        "Did you mean port?",
    ),
    ("- copy: {dest: '{{ prot }}'}", "tasks/main.yml:1:20", "the variable prot is not defined", "Did you mean port?"),
    (
        "- copy: {dest: /a}\n  when: prot",
        "tasks/main.yml:2:9",
        "the variable prot is not defined",
        "Did you mean port?",
    ),
    (
        "- copy: {dest: /a}\n  loop: '{{ prot }}'",
        "tasks/main.yml:2:13",
        "the variable prot is not defined",
        "Did you mean port?",
    ),
    (
        "- copy: {dest: /a}\n  loop: '{{ port }}'",
        "shop.inventory/inventory.yml:1:7",
        "loop must be a list, not '80'",
        "Write [ONE, TWO].",
    ),
    (
        "- copy: {dest: /a}\n  loop: {a: 1}",
        "tasks/main.yml:2:9",
        "loop must be a list, not a mapping",
        "Use the filter dict2items.",
    ),
    (
        "- copy: {dest: /a}\n  notify: restart shpo",
        "tasks/main.yml:2:11",
        "no handler is called restart shpo",
        "Did you mean restart shop?",
    ),
    (
        "- copy: {dest: /a}\n  notify: [zzz]\n  when: false",
        "tasks/main.yml:2:12",
        "no handler is called zzz",
        "Write it into handlers/main.yml of the role.",
    ),
    (
        "- copy: {dest: /a, content: '{{ 1 | uper }}'}\n  when: false",
        "tasks/main.yml:1:37",
        "there is no filter uper",
        "Did you mean upper?",
    ),
    (
        "- copy: {dest: /a, content: '{{ ansible_hostname }}{{ prot }}'}",
        "tasks/main.yml:1:55",
        "the variable prot is not defined",
        "Did you mean port?",
    ),
    (
        "- template: {dest: /a, src: bad.j2}",
        "templates/bad.j2:2:4",
        "the variable prot is not defined",
        "Did you mean port?",
    ),
    (
        "- service: {name: a, state: '{{ \"restarted\" }}'}",
        "tasks/main.yml:1:29",
        "state of service must be one of started, stopped, not 'restarted'",
        "Did you mean started?",
    ),
    (
        "- name: '{{ prot }}'\n  copy: {dest: /a}",
        "tasks/main.yml:1:13",
        "the variable prot is not defined",
        "Did you mean port?",
    ),
]


@pytest.mark.parametrize(("text", "place", "message", "hint"), CHECKED)
def test_check_finds(tmp_path: Path, text: str, place: str, message: str, hint: str) -> None:
    write(tmp_path, {"shop.inventory/inventory.yml": "port: 80\n"})
    inventory = parse("port: 80", tmp_path / "shop.inventory/inventory.yml").value
    assert isinstance(inventory, dict)
    made = HostPlay([role(tmp_path, {"templates/bad.j2": "a\n{{ prot }}", **tasks(text)})], inventory, Templates())
    assert failure(made.check) == (place, message, hint)


def test_a_missing_file_names_the_places_searched(tmp_path: Path) -> None:
    made = play(tmp_path, tasks("- copy: {dest: /a, src: none}"))
    places = ", ".join(str(tmp_path / place) for place in ("roles/shop/files/none", "files/none", "none"))
    assert failure(made.check) == ("tasks/main.yml:1:25", "there is no file none", f"Searched: {places}.")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = play(tmp_path, {"files/a": "", **tasks("- copy: {dest: /a, src: a}")})
    monkeypatch.setattr(Templates, "read", lambda _self, path: (path / "below").read_bytes())
    message = f"{tmp_path / 'roles/shop/files/a/below'} cannot be read: Not a directory"
    assert failure(made.check) == ("tasks/main.yml:1:25", message, "")


SPECS = """\
argument_specs:
  main:
    options:
      shop_workers: {type: int}
      shop_key: {type: str, required: true, description: Signs the cookies.}
"""


@pytest.mark.parametrize(
    ("inventory", "place", "message", "hint"),
    [
        (
            "shop_key: a\nshop_wrokers: 4",
            "2:1",
            "the role shop has no variable shop_wrokers",
            "Did you mean shop_workers?",
        ),
        (
            "shop_key: a\nshop_zzz: 4",
            "2:1",
            "the role shop has no variable shop_zzz",
            "Its variables: shop_workers, shop_key.",
        ),
        ("shop_key: a\nshop_workers: many", "2:15", "shop_workers must be a whole number, not 'many'", ""),
        (
            "shop_key: a\nshop_workers: '{{ ansible_hostname }}'",
            "2:15",
            "shop_workers must be a whole number, not 'localhost'",
            "",
        ),
        (
            "shop_workers: 4",
            "",
            "the role shop needs the variable shop_key",
            "Signs the cookies. Set it in the inventory.",
        ),
        (
            "shop_key:",
            "1:10",
            "the role shop needs the variable shop_key",
            "Signs the cookies. Set it in the inventory.",
        ),
    ],
)
def test_check_finds_wrong_variables(tmp_path: Path, inventory: str, place: str, message: str, hint: str) -> None:
    made = play(tmp_path, {"meta/argument_specs.yml": SPECS, **tasks("- copy: {dest: /a}")}, inventory)
    assert failure(made.check) == (f"/inventory.yml:{place}" if place else "", message, hint)


def test_a_variable_of_a_role_with_a_longer_name_is_not_claimed(tmp_path: Path) -> None:
    specs = "argument_specs: {main: {options: {}}}"
    first = role(tmp_path, {"meta/argument_specs.yml": specs, **tasks("[]"), "defaults/main.yml": "shop_a: 1"})
    longer = role(tmp_path, {"tasks/main.yml": "- copy: {dest: /a}"}, "shop_db")
    made = HostPlay([first, longer], variables("{shop_db_port: 1, shop_a: 2}"), Templates())
    made.check()
    assert len(made.resolve(DEBIAN).tasks) == 1


@pytest.mark.parametrize("release", ["trixie", "noble"])
def test_what_is_right_on_some_host_passes_the_check(tmp_path: Path, release: str) -> None:
    text = "- copy: {dest: '{{ paths[ansible_distribution_release] }}'}"
    made = play(tmp_path, tasks(text), f"paths: {{{release}: /a}}")
    made.check()
    place, message, _ = failure(made.resolve, DEBIAN)
    assert (place, message) == ("tasks/main.yml:1:17", "this mapping has no bookworm")


def test_the_shipped_roles_lie_beside_the_code() -> None:
    assert (SHIPPED / "python/tasks/main.yml").is_file()
