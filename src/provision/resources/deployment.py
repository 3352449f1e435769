"""``deployment``: a build with its units, environment and sizes, serving; the old one serves until it does.

What happens on the host, and why it cannot take a site down, is in programs/deploy.sh.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from provision.environment import confidential_values, environment_text
from provision.errors import Refused
from provision.resources.base import Diff, Facts, Property, Read, Reading, Rendered, Shared, Shell, State, Step, Unit
from provision.resources.build import Recipe
from provision.resources.database import identity_of, is_local
from provision.resources.loosened import Loosened
from provision.resources.memory import Demand, Sizes, machine, number
from provision.resources.mounts import carried_files, writable_places
from provision.resources.processes import process_units
from provision.resources.programs import program, source
from provision.resources.release import release_id
from provision.resources.static import static_tree
from provision.shell import Sh, lines, sh

DEPLOYED = {"intact": "yes", "enabled": "yes", "running": "yes", "leftover": "no"}
"""A deployment as it should be: its files untouched, started at boot, running, and nothing else of the app."""

_PARTS = ("state", "slots", "write", "restart", "balancer", "hardening", "explain", "finish", "deploy")
_PROGRAMS = tuple(f"{name}.sh" for name in _PARTS)
READ_TIMEOUT = 60
"""Seconds to read what serves: far more than it takes on a slow machine."""

CUT_OFF = frozenset({"124", "137"})
"""The status of a reading that took longer: timeout's own, and that of what it had to kill."""

_HELPERS = ("preflight.py", "gate.py", "holders.py", "hold.py")


@dataclass(frozen=True, kw_only=True)
class Deployment(Loosened, Recipe):
    """A build that serves: in one of two slots, each with units and an environment of its own."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    unit: Rendered
    """The unit of a slot, with the tokens ``@start@``, ``@slot@``, ``@build@``, ``@stamp@``."""
    migrate_unit: Rendered
    """The one-shot unit that migrates before a slot starts, with the same tokens."""
    process_unit: Rendered
    """The unit of each of ``processes``, with ``@process@`` and ``@command@`` besides."""
    env: Mapping[str, Any] = field(default_factory=dict)
    """The app's environment variables."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
    """More of them, which are masked in all that is shown."""
    migrate_commands: tuple[str, ...] = ()
    """Shell commands, run in order; ``lifespan`` runs the app's own startup and shutdown once."""
    processes: Mapping[str, str] = field(default_factory=dict)
    """Name -> command of what runs beside the app, such as workers of a queue."""
    static: Mapping[str, str] = field(default_factory=dict)
    """Prefix of a path -> folder of the source whose files Caddy serves there."""
    database: str = ""
    """What tells one database from another; by default DATABASE_URL without its password."""
    migrate_host: str = ""
    """The host that migrates a database which several hosts share; by default the first of them."""
    workers: str = "auto"
    """Processes: a number, or ``auto`` from cores and memory when a deployment is made."""
    memory_target: float = 0.7
    """The share of the memory that the app and the system may take, 0.5 to 0.9; see memory.py."""
    # Linux slows down whoever is above it, and leaves it to others to end that (cgroup v2's memory.high): on a VM a
    # worker that ate memory slowed its slot down for four and a half minutes, until it had come to MemoryMax.
    memory_high: str = "infinity"
    """systemd's MemoryHigh of a slot; ``auto`` from the memory and from what the app took so far."""
    memory_max: str = "auto"
    """systemd's MemoryMax of a slot, likewise."""
    strategy: Literal["auto", "switch", "restart"] = "auto"
    """Start the new release beside the old one, or where both do not fit into the memory after stopping it."""
    resize: bool = False
    """Size the deployment that serves anew."""
    keep: int = 5
    """Deployments kept for a rollback."""
    port: int = 8000
    """Of the blue slot; green has the next, and the check through Caddy the one after that."""
    host: str = "localhost"
    """The Host header of checks: the app may answer only to its own name."""
    health_path: str = ""
    """Must answer 200; without one, any answer below 500 on /openapi.json or / will do."""
    start_timeout: int = 60
    """Seconds until the first good answer."""
    drain: int = 10
    """Seconds the old slot has for open connections before it is stopped."""
    balancer_drain: int = 0
    """Seconds in which a load balancer notices that the host is not to be asked; 0 where it need not."""
    retry: bool = False
    """Deploy also what was rolled back."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._demand.check()
        self.check_loosened()
        if self.balancer_drain < 0:
            raise ValueError(f"balancer_drain is a number of seconds, not {self.balancer_drain}")
        if self.keep < 1:
            raise ValueError(f"keep is a number above 0, not {self.keep}")
        if not 1024 <= self.port <= 65533:
            raise ValueError(f"port {self.port} is not between 1024 and 65533 (the app is not root, and takes three)")
        if not re.fullmatch(r"(?:/\S*)?", self.health_path):
            raise ValueError(f"health_path begins with / and holds no space, not {self.health_path!r}")
        if not re.fullmatch(r"[^\s/]+", self.host):
            raise ValueError(f"host is a name, not {self.host!r}")
        if twice := sorted(self.env.keys() & self.secrets.keys()):
            raise ValueError(f"secrets: {', '.join(twice)} stands in env, too")
        process_units("", self.processes)
        static_tree(self.src, self.static, self.mount_points)

    @property
    def _environment(self) -> dict[str, Any]:
        return {**self.env, **self.secrets}

    def confidential(self) -> list[str]:
        """The values of secrets, and of variables that hold one by their names or as the password of a URL."""
        return confidential_values(self.secrets, self.env)

    def reads(self) -> Iterable[Read]:
        """What serves, and whether it is as it was deployed."""
        return [self._read, *(Unit(f"app-{self.name}@{slot}.service") for slot in ("blue", "green"))]

    @property
    def _read(self) -> Shell:
        return deployed_read(self.name)

    def desired(self, facts: Facts) -> State:
        """This deployment serves, its files are untouched, it starts at boot, and nothing else of the app runs."""
        wanted = {"digest": self.digest(facts), **DEPLOYED}
        if self.resize:
            wanted["sized_for"] = machine(facts)
        return {self._read[name]: value for name, value in wanted.items()}

    def change(self, diff: Diff) -> list[Step]:
        """Deploy. Raises Refused for a change of ports, which Caddy and the app cannot make at the same moment.

        And where the host did not come to tell what serves: of a reading that was cut off nothing is known, which must
        not pass for nothing that serves.
        """
        if diff.before(self._read["rc"]) in CUT_OFF:
            raise Refused(
                f"the host took more than {READ_TIMEOUT} s to tell what serves of {self.name}",
                hint="see what keeps it busy (`uptime` there), and run again",
            )
        port = diff.before(Property(self._read, "port"))
        if port and int(port) != self.port:
            raise Refused(
                f"{self.name} serves on port {port}, and app_port says {self.port}: that cannot change without a gap",
                hint=f"leave app_port at {port}, or deploy it under another app_name and domain",
            )
        return [self._deploy(diff)]

    def remarks(self, diff: Diff) -> Iterable[str]:
        """The arithmetic of a new deployment's memory, for a plan; and that it is none, where it was rolled back."""
        if not self.retry and diff.before(self._read[f"rolled_back_{self.digest(diff.facts)}"]) == "yes":
            return ["it was rolled back: `up` ends with 1 here until the app changes, or with --retry"]
        return [self._sizes(diff).summary] if diff.differs("digest", "sized_for") else []

    def notices(self, readings: Mapping[Read, Reading]) -> list[str]:
        """That it would be sized otherwise now."""
        return self._demand.notices(self.name, readings.get(self._read, {}))

    def _deploy(self, diff: Diff, *, migrate_only: bool = False) -> Step:
        mode = "migrate" if migrate_only else "retry" if self.retry else "deploy"
        return Step(
            program(*_PROGRAMS, NAME=self.name, MODE=mode, ROLLBACK=""),
            title="migrate" if migrate_only else "deploy",
            files=self._files(diff),
            abort=stop_migration(self.name),
        )

    def digest(self, facts: Facts) -> str:
        """What tells one deployment from another; not the sizes, which are fixed when it is made."""
        sizes = [self.workers, self.memory_high, self.memory_max, self.memory_target]
        parts = [self.build_id(facts), self.port, sizes, self.stamp, *map(_sha256, self._carried().values())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    @property
    def database_identity(self) -> str:
        """What tells one database from another on one host; empty for a file of the host, and for none."""
        return self.database or identity_of(str(self._environment.get("DATABASE_URL") or ""))

    @property
    def stamp(self) -> str:
        """The name of the file that says this migration has been made."""
        parts = [self.src.digest, self.migrate_commands, self.database_identity]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def shared(self, observed: Mapping[Read, Reading], facts: Facts) -> Shared | None:
        """The migration, which one host makes for all that have the same app and the same database."""
        if not self.migrate_commands:
            return None
        own = not self.database and is_local(self.database_identity)
        folder = f"/srv/{self.name}/migrated"
        note = lines(sh("mkdir -p {}", folder), sh(": >{}", f"{folder}/{self.stamp}"), sh("sync -f {}", folder))
        return Shared(
            key="" if own else f"{self.name} {self.database_identity}",
            host=self.migrate_host,
            done=observed.get(self._read, {}).get(f"migrated_{self.stamp}") == "yes",
            needs=frozenset({"package", "release", "user", "build"}),
            work=self._deploy(Diff((), observed, facts), migrate_only=True),
            note=Step(note, title="note the migration"),
        )

    @property
    def _demand(self) -> Demand:
        return Demand(
            workers=self.workers,
            processes=len(self.processes),
            target=self.memory_target,
            strategy=self.strategy,
            memory_high=self.memory_high,
            memory_max=self.memory_max,
        )

    def _sizes(self, diff: Diff) -> Sizes:
        return self._demand.sizes(diff.facts, number(diff.before(self._read["memory_per_worker"])))

    def _carried(self) -> dict[str, bytes]:
        """What the deployment consists of beside its build, as write.sh takes it."""
        texts = {"unit": self.unit.text, "env": environment_text(self._environment)}
        if self.migrate_commands:
            texts |= {"migrate_unit": self.migrate_unit.text, "migrate": self._migration()}
        if self.writable:
            places = writable_places(self.src, self.writable)
            texts["writable"] = "".join(f"{kind} {name}\n" for name, kind in places.items())
        texts |= process_units(self.process_unit.text, self.processes)
        texts |= static_tree(self.src, self.static, self.mount_points)
        return {name: text.encode() for name, text in texts.items()} | carried_files(self.files)

    def _migration(self) -> str:
        """A sh script, run with -eu by the migration unit."""
        program = source("lifespan.py").decode()
        lifespan = sh("python - {} <<'PROVISION'\n", self.entrypoint) + program + "PROVISION"
        return "\n".join([*(lifespan if line == "lifespan" else line for line in self.migrate_commands), ""])

    def _files(self, diff: Diff) -> dict[str, bytes]:
        sizes = self._sizes(diff)
        meta = {
            "digest": self.digest(diff.facts),
            "build": self.build_id(diff.facts),
            "release": release_id(self.src),
            "folder": self.src.folder,
            "stamp": self.stamp,
            "entrypoint": self.entrypoint,
            "workers": sizes.workers,
            # Other programs than fastapi and uvicorn have supervisors of other shapes.
            "supervised": 1 if self.run_command else sizes.workers,
            "memory_high": sizes.memory_high,
            "memory_max": sizes.memory_max,
            "memory": sizes.summary,
            "strategy": sizes.strategy,
            "resize": "yes" if self.resize and sizes.differ(diff.observed.get(self._read, {})) else "no",
            "sized_for": machine(diff.facts) if self.resize else "",
            "keep": self.keep,
            "port": self.port,
            "check_port": self.port + 2,
            "host": self.host,
            "health_path": self.health_path,
            "start_timeout": self.start_timeout,
            "drain": self.drain,
            "balancer_drain": self.balancer_drain,
        }
        lines = "".join(f"{key}={value}\n" for key, value in meta.items())
        return {"meta": lines.encode(), **self._carried()} | {name: source(name) for name in _HELPERS}


def deployed_read(name: str) -> Shell:
    """What serves of the app ``name``: ``digest``, the properties of DEPLOYED, ``port``, ``workers``, ..."""
    return Shell(program("state.sh", "observe.sh", NAME=name), timeout=READ_TIMEOUT)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def rollback(name: str, number: int) -> Step:
    """Let the deployment ``number`` on record serve again, by the same way as a new one."""
    return Step(
        program(*_PROGRAMS, NAME=name, MODE="deploy", ROLLBACK=number),
        title=f"roll back {name}",
        files={helper: source(helper) for helper in _HELPERS},
        abort=stop_migration(name),
    )


def stop_migration(name: str) -> Sh:
    """What a second Ctrl-C does: ending systemctl would leave the migration running."""
    return sh("systemctl stop {}", [f"app-{name}-migrate@{slot}.service" for slot in ("blue", "green")])
