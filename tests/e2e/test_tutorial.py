"""The tutorial, step by step: its files are written, its commands run, its output looked for."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.e2e.cli import AUTHORITY, PROVISION

from provision.lab.lab import Lab
from provision.lab.provider import Host

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
ADDRESS, DOMAIN = "203.0.113.10", "api.example.com"
BLOCK = re.compile(r"(?:^<!-- (?P<mark>.*?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block, and the comment that stands before it."""

    language: str
    text: str
    mark: str


def blocks() -> list[Block]:
    text = TUTORIAL.read_text("utf-8")
    return [Block(found["language"], found["text"], found["mark"] or "") for found in BLOCK.finditer(text)]


def masked(line: str) -> str:
    """A line without what differs from run to run: times, digests, sizes."""
    line = re.sub(r"\b\d+m\d\ds|\b\d+\.\d+s|\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "TIME", line)
    return re.sub(r"\b[0-9a-f]{12,}\b|\b\d+ x \d+ MB", "X", line).strip()


class Reader:
    """Does what the tutorial says, in a folder of its own; the address is a lab host's."""

    def __init__(self, folder: Path, host: Host, authority: Path) -> None:
        self._folder, self._host = folder / "shop", host
        self._folder.mkdir()
        home = folder / "home"
        home.mkdir()
        curl = [f'resolve = "{DOMAIN}:443:{host.address}"', f'cacert = "{authority}"', "silent", "show-error"]
        (home / ".curlrc").write_text("\n".join(curl))
        self._environment = {**os.environ, "HOME": str(home), "PATH": f"{PROVISION.parent}:{os.environ['PATH']}"}
        # What is different about a lab host, in the places that Ansible has for it.
        self._variables("host_vars", host.address, **_login(host))
        self._variables("group_vars", "all", caddy_tls="internal", caddy_source="distro")
        self._output = ""

    def _variables(self, kind: str, name: str, **variables: str) -> None:
        path = self._folder / kind / f"{name}.yml"
        path.parent.mkdir()
        path.write_text(yaml.safe_dump(variables))

    def do(self, block: Block) -> None:
        """Write, run, or look at the output of what was run."""
        text = block.text.replace(ADDRESS, self._host.address)
        if block.mark.startswith("write: "):
            (self._folder / block.mark.removeprefix("write: ")).write_text(text)
        elif block.language == "sh" and not block.mark.startswith("not run: "):
            code = int(block.mark.removeprefix("exit: ") or 0)
            self._run(text, code)
        elif block.language == "text":
            printed = set(map(masked, self._output.splitlines()))
            missing = [line for line in text.splitlines() if masked(line) not in printed]
            assert missing == [], self._output

    def _run(self, text: str, code: int) -> None:
        done = subprocess.run(
            ["sh", "-e"],
            input=text,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == code, done.stdout
        # curl ends no line.
        self._output = done.stdout.replace("}", "}\n").replace("]", "]\n") + done.stdout


def _login(host: Host) -> dict[str, str]:
    options = f"-o UserKnownHostsFile={host.known_hosts}"
    return {"ansible_ssh_private_key_file": str(host.key), "ansible_ssh_common_args": options}


def test_every_block_is_run_or_says_why_not() -> None:
    marks = [block.mark.partition(": ")[0] for block in blocks()]

    assert set(marks) == {"", "write", "exit", "not run"}
    assert marks.count("not run") == 1
    assert len([block for block in blocks() if block.language == "sh"]) > 10


def test_the_tutorial(fresh_host: Host, lab: Lab, tmp_path: Path) -> None:
    reader = Reader(tmp_path, fresh_host, lab.root(fresh_host) / AUTHORITY)

    for block in blocks():
        reader.do(block)
