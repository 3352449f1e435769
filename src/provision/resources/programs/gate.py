"""Wait until an app serves, and go on looking until it is past the time at which a lost worker takes it down again.

Without a port: wait until a process that answers nobody goes on running.

Run as root by the build's own Python (any since 3.8), standard library only. Ends with 0, or with 1 and the reason.

The app is started under a supervisor that outlives its workers, so neither "active" nor one good answer says much: with
two workers on an empty database one dies, the other answers at 3 s, and at 8 s uvicorn has stopped both.
"""

from __future__ import annotations

import argparse
import glob
import http.client
import subprocess
import sys
import time

SETTLE = 6.5
"""Seconds without any fault after the first good answer; uvicorn looks after its workers every 5."""

SETTLE_FIRST = 1.0
"""The same where nothing served before, so nothing can be lost, and where every worker said that its startup is over:
what takes a unit down seconds after its first answer is a worker that fails in its startup."""

SETTLE_LATE = 20.0
"""The same where some workers said that their startup is over, and not all. On a slow host uvicorn replaces one that
does not begin within 5 s, again and again, and its time to begin comes on top of those 5."""

SETTLE_PROCESS = 3.0
"""The same for a process that answers nobody."""

RESTARTS = 2
"""A second try is fair (two workers may race for one table), a third will not do better."""

UPSTREAM = "X-Provision-Upstream"
"""Caddy's listener for this check says in this header which slot has answered."""


class NotServing(Exception):
    """Why the app does not serve (yet)."""


class Failed(Exception):
    """Why it never will."""


def answer(port: int, path: str, host: str) -> tuple[int, str]:
    """Status and upstream of one GET; NotServing without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        # The scheme the app sees behind Caddy: an app that redirects to https must not do so here.
        connection.request("GET", path, headers={"Host": host, "X-Forwarded-Proto": "https", "Connection": "close"})
        response = connection.getresponse()
        response.read()
        return response.status, response.headers.get(UPSTREAM, "")
    except (OSError, http.client.HTTPException) as error:
        raise NotServing(f"no answer on 127.0.0.1:{port}: {error or type(error).__name__}") from error
    finally:
        connection.close()


def probe(options: argparse.Namespace) -> None:
    """One look from outside: a path the user named must answer 200, else anything below 500 will do."""
    for path in [options.path] if options.path else ["/openapi.json", "/"]:
        status, upstream = answer(options.port, path, options.host)
        if options.upstream and upstream != options.upstream:
            raise NotServing(f"GET {path}: answered by {upstream or 'something else'}, not by {options.upstream}")
        if status == 200 or (status < 500 and not options.path):
            return
        fault = f"GET {path} answered {status}" + (", not 200" if options.path else "")
    raise NotServing(fault)


def unit_state(unit: str) -> dict[str, str]:
    """What systemd knows of the unit."""
    names = "ActiveState,SubState,NRestarts,MainPID,InvocationID"
    text = subprocess.run(["systemctl", "show", "-p", names, unit], capture_output=True, text=True, check=False).stdout
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def workers_of(main_pid: str) -> list[str]:
    """The pids of the supervisor's workers: it spawns them, and the tracker of its resources beside them."""
    found = []
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat) as file:
                parent = file.read().rpartition(")")[2].split()[1]
            if parent == main_pid:
                with open(stat.replace("stat", "cmdline")) as file:
                    if "spawn_main" in file.read():
                        found.append(stat.split("/")[2])
        except OSError:
            continue
    return sorted(found)


class Watch:
    """The unit from inside: its workers must be all there, and stay the same ones."""

    def __init__(self, unit: str, workers: int, limit: int = RESTARTS) -> None:
        self.unit, self.workers, self.limit = unit, workers, limit
        self.restarts = int(unit_state(unit).get("NRestarts") or 0)
        self.pids: list[str] = []
        self.started = 0
        self.seen: set[str] = set()

    def look(self) -> None:
        """NotServing while workers are missing or have changed since the last look, Failed when it is hopeless."""
        state = unit_state(self.unit)
        if state.get("ActiveState") in ("inactive", "failed"):
            raise Failed(f"the unit is {state['ActiveState']}")
        if int(state.get("NRestarts") or 0) - self.restarts >= self.limit:
            raise Failed("it ended by itself" + (f", {self.limit} times" if self.limit > 1 else ""))
        before, self.pids = self.pids, self.processes(state)
        self.seen.update(self.pids)
        if len(self.seen) > 3 * (self.workers + 1):
            raise Failed(f"workers die and are replaced; {len(self.seen)} processes were started for {self.workers}")
        if state.get("SubState") != "running" or (self.workers > 1 and len(self.pids) <= self.workers):
            raise NotServing(f"{len(self.pids) - 1} of {self.workers} workers are up")
        if self.pids != before:
            raise NotServing("its processes were replaced")
        self.complaints(state.get("InvocationID", ""))

    def processes(self, state: dict[str, str]) -> list[str]:
        """The pids of the main process and its workers."""
        main_pid = state.get("MainPID", "0")
        return [main_pid, *(workers_of(main_pid) if self.workers > 1 else [])]

    def complaints(self, invocation: str) -> None:
        """A worker whose startup failed says so, while another may still answer."""
        about = ["--grep", "Application startup (complete|failed)", f"_SYSTEMD_INVOCATION_ID={invocation}"]
        words = ["journalctl", "-q", "-o", "cat", "-n", "2000", *about]
        log = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False).stdout
        self.started = log.count("Application startup complete")
        if "Application startup failed" in log:
            raise NotServing("the startup of a worker failed")

    def memory(self) -> int:
        """MB that one worker takes: its proportional set size."""
        sizes = []
        for pid in self.pids[1:] or self.pids:
            try:
                with open(f"/proc/{pid}/smaps_rollup") as file:
                    sizes += [int(line.split()[1]) for line in file if line.startswith("Pss:")]
            except OSError:
                continue
        return sum(sizes) // max(1, len(sizes)) // 1024


def settling(options: argparse.Namespace, watch: Watch | None) -> float:
    """Seconds that all must be well."""
    if watch is None:
        return 0.0
    if not options.port:
        return SETTLE_PROCESS
    if 0 < watch.started < options.workers:
        return SETTLE_LATE
    return SETTLE_FIRST if options.first and watch.started >= options.workers else SETTLE


def wait(options: argparse.Namespace, watch: Watch | None) -> None:
    """Return once all was well for the settling time; the deadline is for the first good answer."""
    start = time.monotonic()
    deadline = start + options.timeout
    first: float | None = None
    while True:
        try:
            if watch:
                watch.look()
            if options.port:
                probe(options)
            if first is None:
                first = time.monotonic()
            if time.monotonic() - first >= settling(options, watch):
                return
        except NotServing as reason:
            first = None
            if time.monotonic() > deadline:
                raise Failed(f"{reason} (after {options.timeout} s)") from reason
        time.sleep(0.25 if first is None else 0.5)


def main() -> int:
    """Parse, wait, and print how much memory a worker takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", required=True)
    parser.add_argument("--path", default="")
    parser.add_argument("--timeout", type=int, default=10)
    parser.add_argument("--unit", default="")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--upstream", default="")
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--restarts", type=int, default=RESTARTS)
    parser.add_argument("--measure", action="store_true", help="wait for nothing")
    options = parser.parse_args()
    watch = Watch(options.unit, options.workers, options.restarts) if options.unit else None
    try:
        if watch and options.measure:
            watch.pids = watch.processes(unit_state(options.unit))
        else:
            wait(options, watch)
    except Failed as reason:
        print(reason)
        return 1
    if watch:
        print(watch.memory())
    return 0


if __name__ == "__main__":
    sys.exit(main())
