"""``provision test`` before there is a host: what a role's tests/ may say, and how the events of runs are judged."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from tests.unit.cli_site import invoke, write

from provision.bench.events import BenchEvent, HostKept, StepBegun, StepEnded
from provision.bench.pytest_ import argv, require_pytest, ssh_config
from provision.bench.scenario import read_scenario
from provision.bench.sequence import Bench
from provision.errors import ConfigError, HostError, Interrupted, ProvisionError
from provision.events import Event, HostFinished, TaskFinished, TaskVerdict
from provision.lab.lab import Lab
from provision.lab.provider import Host, Image
from provision.options import Options
from provision.playbook import HostPlay
from provision.report.bench import BenchReport
from provision.transport.protocol import Login

TASKS = "- name: Greet\n  copy: {dest: /etc/greeting, content: '{{ mine_greeting }}'}\n"


@pytest.fixture
def role(tmp_path: Path) -> Callable[..., Path]:
    """``role(verify="...")``: a role with these files in its tests/."""

    def make(**tests: str) -> Path:
        files = {"tasks/main.yml": TASKS, "defaults/main.yml": "mine_greeting: hello\n"}
        write(tmp_path / "roles" / "mine", files | {f"tests/{name}.yml": text for name, text in tests.items()})
        return tmp_path / "roles" / "mine"

    return make


def test_a_role_needs_no_test(role: Callable[..., Path]) -> None:
    scenario = read_scenario(role())
    assert scenario.variables["roles"].plain() == ["mine"]
    assert (scenario.waits, scenario.checks, scenario.tests) == ((), (), ())


def test_checks_see_the_variables_of_the_role_and_other_roles_run_before(role: Callable[..., Path]) -> None:
    folder = role(
        vars="roles: [redis, mine]\nredis_group: counters\n",
        verify="- copy: {dest: /etc/greeting, content: '{{ mine_greeting }} {{ redis_socket }}'}\n"
        "- uri: {url: 'http://localhost'}\n- command: {cmd: a, stdout: b}\n",
    )
    scenario = read_scenario(folder)
    play, _ = scenario.play(scenario.host("test1", {"ansible_host": "192.0.2.1"}))
    assert play.roles == ("redis", "mine")
    assert [task.module.name for task in scenario.waits if task.module] == ["uri"]
    assert [task.module.name for task in scenario.checks if task.module] == ["copy", "command"]


def test_the_connection_is_the_hosts(role: Callable[..., Path]) -> None:
    scenario = read_scenario(role(vars="ansible_host: 192.0.2.9\nansible_user: me\n"))
    _, login = scenario.play(scenario.host("test1", {"ansible_host": "192.0.2.1", "ansible_user": "root"}))
    assert (login.address, login.user) == ("192.0.2.1", "root")


MISTAKES: Mapping[str, tuple[dict[str, str], str, str]] = {
    "no YAML": ({"verify": "- file: {path: /a\n"}, "verify.yml:1:9", "this '{' is not closed"),
    "no list": ({"verify": "file: {path: /a}\n"}, "verify.yml:1:1", "a file of tasks is a list, not a mapping"),
    "no module": ({"verify": "- fiel: {path: /a}\n"}, "verify.yml:1:3", "there is no module fiel"),
    "no field": ({"verify": "- file: {path: /a, mod: '0644'}\n"}, "verify.yml:1:20", "file has no field mod"),
    "no output": ({"verify": "- command: {stdout: a}\n"}, "verify.yml:1:3", "command takes one of cmd and argv"),
    "no variable": ({"verify": "- file: {path: '{{ mine_pth }}'}\n"}, "verify.yml:1:20", "mine_pth"),
    "a handler": ({"verify": "- file: {path: /a}\n  notify: x\n"}, "verify.yml:2:11", "a check notifies no handler"),
    "meta": ({"verify": "- meta: flush_handlers\n"}, "verify.yml:1:3", "a check is no meta"),
    "no mapping": ({"vars": "- a\n"}, "vars.yml:1:1", "a file of variables must be a mapping, not a list"),
    "another role": ({"vars": "roles: [redis]\n"}, "vars.yml:1:8", "roles: lacks mine, the role under test"),
    "no role": ({"vars": "roles: [redsi, mine]\n"}, "vars.yml:1:9", "there is no role redsi"),
    "a wrong type": ({"vars": "roles: [redis, mine]\nredis_port: a\n"}, "vars.yml:2:13", "redis_port must be"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_found_with_its_place(case: str, role: Callable[..., Path]) -> None:
    tests, place, message = MISTAKES[case]
    folder = role(**tests)
    with pytest.raises(ConfigError) as error:
        read_scenario(folder)
    assert message in error.value.message
    assert str(error.value.position) == str(folder / "tests" / place)


def test_the_command_says_so_before_it_looks_for_a_lab(role: Callable[..., Path]) -> None:
    done = invoke("test", str(role(verify="- fiel: {path: /a}\n")))
    assert done.exit_code == 2
    assert "tests/verify.yml:1:3: error: there is no module fiel" in done.stderr
    assert (done.stdout, "Did you mean file?" in done.stderr) == ("", True)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    done = invoke("test", str(tmp_path / "nosuch"))
    assert done.exit_code == 2
    assert f"there is no folder {tmp_path}/nosuch" in done.stderr
    assert "`provision init role mine` writes one" in done.stderr


def test_pytest_is_asked_for_only_where_there_are_tests_for_it(tmp_path: Path) -> None:
    def find(module: str) -> object:
        return None if module == "testinfra" else module

    require_pytest((), find)
    require_pytest((tmp_path / "test_a.py",))
    with pytest.raises(ConfigError, match=r"test_a\.py needs pytest-testinfra, which .* has not") as error:
        require_pytest((tmp_path / "test_a.py",), find)
    assert "-m pip install pytest-testinfra (the extra provision-toolkit[test] has both)" in error.value.hint


def _host(tmp_path: Path, image: Image, number: int = 1) -> Host:
    user = "debian" if image.flavour == "cloud" else "root"
    return Host(number, f"test{number}", "192.0.2.1", 22, user, tmp_path / "a key", tmp_path / "known", image)


def test_pytest_reaches_the_host_and_leaves_nothing_beside_the_tests(tmp_path: Path) -> None:
    words = argv((tmp_path / "test_a.py",), _host(tmp_path, Image("trixie", "cloud")), tmp_path / "config")
    assert words[1:6] == ["-B", "-m", "pytest", "-p", "no:cacheprovider"]
    assert words[6:] == [
        "--hosts=ssh://test1?controlpersist=0",
        f"--ssh-config={tmp_path}/config",
        "--sudo",
        f"{tmp_path}/test_a.py",
    ]
    assert f'\n  IdentityFile "{tmp_path}/a key"\n' in ssh_config(_host(tmp_path, Image()))


class FakeLab(Lab):
    """Hosts that are made and removed in memory."""

    def __init__(self, folder: Path, made: Sequence[Host] = ()) -> None:
        super().__init__("test", folder)
        self._made, self._folder_of_keys = list(made), folder

    @property
    def hosts(self) -> list[Host]:
        return list(self._made)

    def add(self, image: Image | None = None, layers: Sequence[Path] = ()) -> Host:
        self._made.append(_host(self._folder_of_keys, image or Image(), len(self._made) + 1))
        return self._made[-1]

    def remove(self, host: Host) -> None:
        self._made.remove(host)


def ended(changed: int = 0, trips: int = 1, error: ProvisionError | None = None) -> HostFinished:
    return HostFinished("test1", 2, changed, int(error is not None), 0, trips, 0.1, error=error)


def changed(task: str) -> TaskFinished:
    return TaskFinished("test1", "mine", task, "changed", 0.1)


def differs(task: str, *keys: str) -> TaskVerdict:
    return TaskVerdict("test1", "mine", task, "change", keys)


WELL: list[Sequence[Event]] = [[changed("Greet"), ended(1, 3)], [ended()], [ended()]]


class Script:
    """What the runs of a test are to bring, one after another."""

    def __init__(self, runs: Sequence[Sequence[Event] | ProvisionError]) -> None:
        self._runs = list(runs)
        self.checks: list[bool] = []

    def __call__(self, play: HostPlay, login: Login, options: Options) -> Sequence[Event]:
        self.checks.append(options.check)
        run = self._runs.pop(0)
        if isinstance(run, ProvisionError):
            raise run
        return run


def perform(
    folder: Path, tmp_path: Path, runs: Sequence[Sequence[Event] | ProvisionError], *, keep: bool = False
) -> tuple[bool, list[BenchEvent], FakeLab]:
    lab, events = FakeLab(tmp_path), list[BenchEvent]()
    passed = Bench(read_scenario(folder), lab, Script(runs), events.append, keep=keep).test(Image())
    return passed, events, lab


def steps(events: Sequence[BenchEvent]) -> list[tuple[str, str]]:
    return [(event.step, event.summary) for event in events if isinstance(event, StepEnded)]


def failure(events: Sequence[BenchEvent]) -> ProvisionError:
    (error,) = [event.error for event in events if isinstance(event, StepEnded) and event.error]
    return error


VERIFY = "- copy: {dest: /etc/greeting, content: hello}\n"


def test_all_steps_in_their_order(role: Callable[..., Path], tmp_path: Path) -> None:
    passed, events, lab = perform(role(verify=VERIFY), tmp_path, WELL)
    assert passed
    assert steps(events) == [
        ("create", "test1"),
        ("converge", "1 changed, 3 trips"),
        ("idempotence", "0 changed, 1 trip"),
        ("verify", "2 checks"),
        ("destroy", ""),
    ]
    assert lab.hosts == []


def test_a_second_run_that_changes_something_is_told_by_task(role: Callable[..., Path], tmp_path: Path) -> None:
    second = [differs("Greet", "/etc/greeting: content"), changed("Greet"), changed("restart x"), ended(2, 3)]
    passed, events, lab = perform(role(), tmp_path, [WELL[0], second])
    assert not passed
    assert [name for name, _ in steps(events)] == ["create", "converge", "idempotence", "destroy"]
    error = failure(events)
    assert error.message == "the second run has changed 2 tasks again"
    assert isinstance(error, HostError)
    assert error.log == ("mine : Greet", "    /etc/greeting: content", "mine : restart x")
    assert lab.hosts == []


def test_a_second_trip_without_a_change_fails_too(role: Callable[..., Path], tmp_path: Path) -> None:
    _, events, _ = perform(role(), tmp_path, [WELL[0], [ended(0, 2)]])
    assert failure(events).message == "the second run changed nothing, but took 2 trips instead of one"
    assert "a fact" in failure(events).hint


def test_a_check_that_finds_it_otherwise(role: Callable[..., Path], tmp_path: Path) -> None:
    found = [differs("copy", "/etc/greeting: content"), ended()]
    _, events, _ = perform(role(verify=VERIFY), tmp_path, [*WELL[:2], found])
    error = failure(events)
    assert isinstance(error, HostError)
    assert error.message == "1 of 2 checks in tests/verify.yml found otherwise"
    assert error.log == ("copy", "    /etc/greeting: content")


def test_waits_are_run_and_checks_are_only_planned(role: Callable[..., Path], tmp_path: Path) -> None:
    script = Script([*WELL, [ended()]])
    scenario = read_scenario(role(verify=VERIFY + "- wait_for: {port: 80}\n"))
    assert Bench(scenario, FakeLab(tmp_path), script, lambda event: None).test(Image())
    assert script.checks == [False, False, False, True]


def test_a_host_that_fails_ends_the_test_with_its_error(role: Callable[..., Path], tmp_path: Path) -> None:
    trouble = HostError("no space left", task="mine : Greet", log=["tee: full"])
    _, events, lab = perform(role(), tmp_path, [[ended(error=trouble)]])
    assert [name for name, _ in steps(events)] == ["create", "converge", "destroy"]
    assert (failure(events), lab.hosts) == (trouble, [])


def test_an_interrupted_test_ends_its_host(role: Callable[..., Path], tmp_path: Path) -> None:
    lab, events = FakeLab(tmp_path), list[BenchEvent]()
    bench = Bench(read_scenario(role()), lab, Script([Interrupted("stopped")]), events.append)
    with pytest.raises(Interrupted):
        bench.test(Image())
    assert steps(events)[-1][0] == "destroy"
    assert lab.hosts == []


def test_a_kept_host_stays_and_is_named(role: Callable[..., Path], tmp_path: Path) -> None:
    _, events, lab = perform(role(), tmp_path, WELL, keep=True)
    assert events[-1] == HostKept("bookworm (minimal)", "test1", "test")
    assert [host.name for host in lab.hosts] == ["test1"]


def test_a_role_without_checks_is_told_that_nothing_was_verified(role: Callable[..., Path], tmp_path: Path) -> None:
    passed, events, _ = perform(role(), tmp_path, WELL)
    assert passed
    assert ("verify", "nothing: there is neither tests/verify.yml nor tests/test_*.py") in steps(events)


def test_what_is_printed() -> None:
    out = io.StringIO()
    report = BenchReport("mine", out, verbose=False)
    trouble = HostError("the second run has changed 1 task again", log=["mine : Greet"], hint="mend it")
    for event in (
        StepBegun("bookworm (minimal)", "create"),
        StepEnded("bookworm (minimal)", "create", 2.1, "test1"),
        StepEnded("bookworm (minimal)", "destroy", 0.2),
        StepEnded("trixie (minimal)", "idempotence", 61.0, error=trouble),
        HostKept("trixie (minimal)", "kept1", "kept"),
    ):
        report(event)
    report.close()
    assert out.getvalue() == textwrap.dedent(
        """\
        mine on bookworm (minimal)
          create          2.1s  test1
          destroy         0.2s
        mine on trixie (minimal)
          idempotence    1m01s  failed
        failed:  [trixie (minimal)]
          the second run has changed 1 task again
            | mine : Greet
          hint: mend it
          kept1 was kept: `provision lab ssh kept1` logs in,
          `provision lab down --name kept` ends it
        mine: failed on trixie (minimal)
        mine: passed on bookworm (minimal)
        """
    )
