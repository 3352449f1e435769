"""A host as a model in Python: it answers surveys from its state, and steps change that state line by line.

Only lines with an effect that the engine reasons about are understood; `test_script_live.py` shows that a real shell
gives stamps the same meaning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from provision.converge import Host
from provision.errors import ConnectionLost
from provision.events import Event
from provision.handlers import STAMPS
from provision.resources.base import Diff, Facts, Read, Resource, Shell, State, Step
from provision.resources.task import Handler, Playbook, Task
from provision.shell import lines, sh
from provision.transport.frames import Frame
from provision.transport.session import Bounds

DEBIAN = "id=debian\nversion=12\ncodename=bookworm\nkernel=web1 x86_64\nvcpus=2\nmemory=2048000\nuid=0\n"

EFFECT = re.compile(
    rf"""^(?:
    (?P<set>     set\ (\S+)\ (\S+))
    | (?P<forget>  rm\ -f\ --\ {STAMPS}/(\w+))
    | (?P<write>   printf\ '%s\\n'\ (\w+)\ >{STAMPS}/(\w+)\.new)
    | (?P<keep>    sync\ -f\ \S+\ &&\ mv\ -T\ --\ \S+\ {STAMPS}/(\w+))
    | (?P<stop>    systemctl\ stop\ --\ (\S+)\ .*)
    | (?P<act>     unit=(\S+)\ verb=(\S+))
    | (?P<dest>    dest=(\S+))
    | (?P<mode>    install\ -T\ -o\ \S+\ -g\ \S+\ -m\ (\S+)\ .*)
    | (?P<replace> mv\ -fT\ --\ "\$temp"\ "\$dest")
    | (?P<say>     say\ (.*))
    | (?P<exit>    exit\ ([1-9]\d*))
    )$""",
    re.MULTILINE | re.VERBOSE,
)
"""What a line of a step can do."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The simplest kind: ``key`` of the host has ``value``."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("key",)

    key: str
    value: str = "new"
    steps: int = 1
    script: str = ""
    """What runs before that."""
    timeout: int | None = None

    @property
    def _read(self) -> Shell:
        return Shell(sh("get {}", self.key))

    def reads(self) -> Iterable[Read]:
        return (self._read,)

    def desired(self, facts: Facts) -> State:
        return {self._read["value"]: self.value}

    def change(self, diff: Diff) -> list[Step]:
        begun = [Step(sh("set {} begun", self.key)) for _ in range(1, self.steps)]
        return [*begun, Step(lines(self.script, sh("set {} {}", self.key, self.value)), timeout=self.timeout)]


@dataclass(frozen=True, kw_only=True)
class Guarded(Setting):
    """A kind whose state an earlier change may decide."""

    GUARDED: ClassVar[bool] = True


@dataclass
class FakeHost:
    """The state of a host, and a session with it. ``budget`` is how many effects it has before the line dies."""

    settings: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Path -> mode and text; all are root's."""
    units: dict[str, str] = field(default_factory=dict)
    """Unit -> ActiveState; one that is not named is inactive."""
    stamps: dict[str, str] = field(default_factory=dict)
    facts: str = DEBIAN
    stubborn: frozenset[str] = frozenset()
    """Settings that stay as they are."""
    follows: Mapping[str, Callable[[FakeHost], None]] = field(default_factory=dict)
    """What a setting brings about when it is made."""
    budget: int = 1_000_000
    stop_before: int = 1_000_000
    """The step before which the host finds the stop file."""
    trips: int = 0
    log: list[str] = field(default_factory=list)
    """What happened: ``set KEY``, ``fresh UNIT`` (a new process), ``reload UNIT``, ``forget STAMP``, ``keep STAMP``."""
    surveys: list[Mapping[str, bytes]] = field(default_factory=list)
    _pending: dict[str, str] = field(default_factory=dict)

    def trip(
        self, files: Mapping[str, bytes], on_frame: Callable[[Frame], None], *, bounds: Bounds | None = None
    ) -> None:
        """What session.Session does, without a shell."""
        self.trips += 1
        if "audit.json" in files:
            self._apply(files, on_frame)
        else:
            self.surveys.append(files)
            self._survey(files, on_frame)

    def _survey(self, files: Mapping[str, bytes], on_frame: Callable[[Frame], None]) -> None:
        main = files["main"].decode()
        paths = sorted(self.files.items())
        on_frame(Frame(("facts",), self.facts.encode()))
        on_frame(Frame(("stat",), "".join(f"{p}\0f\0{mode}\0root\0root\0\0" for p, (mode, _) in paths).encode()))
        on_frame(Frame(("digest",), "".join(f"{_sha256(text)}  {p}\0" for p, (_, text) in paths).encode()))
        for path, (_, text) in paths:
            if "frame content" in main:
                on_frame(Frame(("content",), f"{path}\0{text}".encode()))
        if shown := re.search(r"^systemctl show \S+ -- (.*)$", main, re.MULTILINE):
            blocks = [f"ActiveState={self.units.get(u, 'inactive')}\nNeedDaemonReload=no" for u in shown[1].split()]
            on_frame(Frame(("unit",), "\n\n".join(blocks).encode()))
        for index in range(sum(name.startswith("read-") for name in files)):
            on_frame(Frame(("shell", str(index)), self._answer(files[f"read-{index}"].decode()).encode()))
            on_frame(Frame(("rc", str(index), "0")))

    def _answer(self, script: str) -> str:
        if STAMPS in script:
            return "".join(f"{name}={digest}\n" for name, digest in self.stamps.items())
        if get := re.search(r"^get (\S+)$", script, re.MULTILINE):
            return f"value={self.settings.get(get[1], '')}\n"
        return "enabled=yes\ndisabled=no\nmasked=no\n"

    def _apply(self, files: Mapping[str, bytes], on_frame: Callable[[Frame], None]) -> None:
        for number in range(1, sum(name.endswith(".sh") for name in files) + 1):
            if number >= self.stop_before:
                return
            on_frame(Frame(("start", str(number))))
            status = self._step(files, number, on_frame)
            on_frame(Frame(("status", str(number), str(status))))
            if status:
                return

    def _step(self, files: Mapping[str, bytes], number: int, on_frame: Callable[[Frame], None]) -> int:
        place = {"dest": "", "mode": ""}
        for effect in EFFECT.finditer(files[f"{number}.sh"].decode()):
            _, *words = (group for group in effect.groups() if group is not None)
            match effect.lastgroup:
                case "say":
                    on_frame(Frame(("output", str(number)), f"{words[0]}\n".encode()))
                case "exit":
                    return int(words[0])
                case "dest" | "mode" as name:
                    place[name] = words[0]
                case "replace":
                    self.files[place["dest"]] = (place["mode"], files[f"{number}.files/content"].decode())
                case name:
                    self._effect(name, words)
        return 0

    def _effect(self, name: str | None, words: Sequence[str]) -> None:
        if not self.budget:
            raise ConnectionLost("the line is dead")
        self.budget -= 1
        match name, words:
            case "set", [key, value]:
                self.log.append(f"set {key}")
                if key not in self.stubborn:
                    self.settings[key] = value
                    if key in self.follows:
                        self.follows[key](self)
            case "forget", [stamp]:
                self.log.append(f"forget {stamp}")
                self.stamps.pop(stamp, None)
            case "write", [digest, stamp]:
                self._pending[stamp] = digest
            case "keep", [stamp]:
                self.log.append(f"keep {stamp}")
                self.stamps[stamp] = self._pending.pop(stamp)
            case "stop", [unit]:
                self.units[unit] = "inactive"
            case "act", [unit, verb]:
                self._act(unit, verb)

    def _act(self, unit: str, verb: str) -> None:
        running = self.units.get(unit) == "active"
        if verb == "reload-or-restart" and running:
            self.log.append(f"reload {unit}")
        elif verb != "start" or not running:
            self.log.append(f"fresh {unit}")
        self.units[unit] = "active"


@dataclass
class FakePlay:
    """The roles of a host. ``late`` are the resources whose identity needs a fact."""

    playbook: Playbook
    late: tuple[Resource, ...] = ()

    def reads(self) -> set[Read]:
        tasks = (task.resource for task in self.playbook.tasks if task.resource is not None)
        return {read for resource in tasks if resource not in self.late for read in resource.reads()}

    def resolve(self, facts: Facts) -> Playbook:
        return self.playbook


def task(
    resource: Resource | None,
    *notify: str,
    name: str = "",
    role: str = "web",
    tags: Iterable[str] = (),
    when: bool = True,
    no_log: bool = False,
) -> Task:
    """A task called after its setting; ``None`` is ``flush_handlers``."""
    called = name or str(getattr(resource, "key", type(resource).__name__))
    return Task(role, called, "setting", resource, notify, frozenset(tags), when, no_log)


def handler(
    name: str = "Restart", unit: str = "web", action: str = "restarted", listen: tuple[str, ...] = ()
) -> Handler:
    """A handler of the role ``web``."""
    return Handler("web", name, unit, action, listen)


def converge(
    fake: FakeHost,
    tasks: Iterable[Task],
    handlers: Iterable[Handler] = (),
    *,
    selected: Callable[[Task], bool] = lambda task: True,
    diff: bool = False,
    late: tuple[Resource, ...] = (),
    events: list[Event] | None = None,
) -> Host:
    """The engine's host over the fake one, not yet surveyed."""
    play = FakePlay(Playbook(tuple(tasks), tuple(handlers)), late)
    emit = (lambda event: None) if events is None else events.append
    return Host("web1", play, fake, emit, selected=selected, diff=diff, audit={"who": "test"})


def up(host: Host) -> None:
    """What run.py does with one host."""
    host.survey()
    planned = host.plan()
    host.announce(planned)
    if planned.items:
        host.apply(planned)
        host.prove()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
