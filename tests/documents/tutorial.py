"""Does what docs/tutorial.md says, on a test host, and writes what was shown into the page: `make tutorial`."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml
from tests.documents.blocks import Block, blocks_of
from tests.documents.markdown import DOCS
from tests.documents.screen import screen

from provision.lab.lab import Lab, base_folder
from provision.lab.provider import Host

TUTORIAL = DOCS / "tutorial.md"
ADDRESS, DOMAIN, CLIENT = "203.0.113.10", "api.example.com", "198.51.100.7"
"""Those of the page: the host's, the app's, the reader's own."""

WIDTH = 100
UNWANTED = ("NO_COLOR", "FORCE_COLOR", "TMUX", "COLUMNS", "LINES")
"""Variables of whoever runs this that would change what the screen shows."""

_AUTHORITY = "var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"
_MASKS = (
    (r"\b\d+m\d\ds\b|\b\d+\.\d+s\b", "SECONDS"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ?\b|\b[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\b", "TIME"),
    (r"\[\d+\]", "[PID]"),
    (r"\b[0-9a-f]{12,}\b", "DIGEST"),
    (r"(?<=^    memory: ).*|\b\d+ MB\b", "MEMORY"),
    (r" +", " "),
)


def masked(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, word in _MASKS:
        line = re.sub(pattern, word, line)
    return line.strip()


class Reader:
    """Writes the files and runs the commands, in a folder of its own; the address is a lab host's."""

    def __init__(self, folder: Path, host: Host, root: Path) -> None:
        """``root`` is where the file system of ``host`` is found on this machine."""
        self._folder, self._host = folder / "shop", host
        home = folder / "home"
        for path in (self._folder, home):
            path.mkdir()
        curl = (f'resolve = "{DOMAIN}:443:{host.address}"', f'cacert = "{root / _AUTHORITY}"', "silent", "show-error")
        (home / ".curlrc").write_text("\n".join(curl))
        program = Path(sys.executable).parent
        kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        self._environment = {**kept, "HOME": str(home), "PATH": f"{program}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        # What the page says is different about its test host, in the places that Ansible has for it.
        options = f"-o UserKnownHostsFile={host.known_hosts}"
        self._set(
            "host_vars", host.address, ansible_ssh_private_key_file=str(host.key), ansible_ssh_common_args=options
        )
        self._set("group_vars", "all", caddy_tls="internal", caddy_source="distro", app_workers=2)
        self._output = ""

    def _set(self, kind: str, name: str, **variables: object) -> None:
        path = self._folder / kind / f"{name}.yml"
        path.parent.mkdir()
        path.write_text(yaml.safe_dump(variables))

    def follow(self, blocks: list[Block]) -> Iterator[tuple[Block, str]]:
        """Do what the blocks say; each one that shows output, with the output there was."""
        for block in blocks:
            text = block.text.replace(ADDRESS, self._host.address)
            match block.mark, block.language:
                case "not run", _:
                    pass
                case "write", _:
                    (self._folder / block.about).parent.mkdir(parents=True, exist_ok=True)
                    (self._folder / block.about).write_text(text)
                case "edit", _:
                    path = self._folder / block.about
                    path.write_text(edited(path.read_text(), text))
                case _, "sh":
                    self._output, code = self.run(text)
                    wanted = int(block.about) if block.mark == "exit" else 0
                    assert code == wanted, f"{block.name}: ended with {code}\n{self._output}"
                case _, "text":
                    yield block, self._output

    def run(self, script: str) -> tuple[str, int]:
        """Run commands; what the screen shows then, with the addresses of the page, and the exit code."""
        shown, code = screen(script, self._folder, self._environment, width=WIDTH)
        gateway = self._host.address.rpartition(".")[0] + ".1"
        return shown.replace(self._host.address, ADDRESS).replace(f"{gateway}:0", f"{CLIENT}:0"), code


def edited(text: str, diff: str) -> str:
    """``text`` with the lines that a diff shows with `-` replaced by those with `+`; they must be there once."""
    old, new = ("".join(f"{line[1:]}\n" for line in diff.splitlines() if line[:1] in kinds) for kinds in (" -", " +"))
    assert text.count(old) == 1, f"{text.count(old)} places are\n{old}"
    return text.replace(old, new)


def agrees(written: str, shown: str) -> bool:
    """Does a page show what the screen did, but for what differs from run to run?"""
    return [masked(line) for line in written.splitlines()] == [masked(line) for line in shown.splitlines()]


def main() -> None:
    """Boot a host, follow the page, write it anew, and take the host away."""
    lab = Lab("tutorial", base_folder(os.environ))
    lab.down()
    page = TUTORIAL.read_text("utf-8").splitlines(keepends=True)
    blocks = blocks_of(TUTORIAL)
    with tempfile.TemporaryDirectory() as folder:
        try:
            host = lab.add()
            shown = list(Reader(Path(folder), host, lab.root(host)).follow(blocks))
        finally:
            lab.down()
    for block, output in reversed(shown):  # from the end, so that the lines before it keep their numbers
        page[block.line - 1 : block.line - 1 + block.text.count("\n")] = [f"{output}\n"]
    TUTORIAL.write_text("".join(page), "utf-8")


if __name__ == "__main__":
    main()
