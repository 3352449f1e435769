"""Writes docs/pictures/up.svg, a terminal in which `provision up` was run for real: `make picture`.

On a test host of this machine's, in tmux, whose screen is what a user would see at the end.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text
from tests.documents.markdown import DOCS, ROOT

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab, base_folder

WIDTH, HEIGHT = 84, 60
PATIENCE = 600
"""Seconds for both runs."""

FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>provision up, on a terminal</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font: bold 18px ui-sans-serif, system-ui, sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""rich's own, without the fonts that it fetches from elsewhere."""


def tmux(*words: str) -> str:
    """Ask the tmux of this program."""
    argv = ["tmux", "-L", f"picture-{os.getpid()}", "-f", "/dev/null", *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def screen(folder: Path, commands: list[str]) -> str:
    """What a terminal shows after ``commands``, with its colours."""
    program = Path(sys.executable).parent
    shown = "; ".join(
        f"printf '\\033[1m$ %s\\033[0m\\n' {shlex.quote(command)}; {command}; echo" for command in commands
    )
    script = (
        f"cd {shlex.quote(str(folder))}; PATH={shlex.quote(str(program))}:$PATH; {shown}; touch done; sleep {PATIENCE}"
    )
    tmux("new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), "sh", "-c", script)
    try:
        deadline = time.monotonic() + PATIENCE
        while not (folder / "done").exists():
            assert time.monotonic() < deadline, "the runs did not end"
            time.sleep(0.2)
        return tmux("capture-pane", "-p", "-e").rstrip()
    finally:
        tmux("kill-server")


def picture(ansi: str) -> str:
    """A screen as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text.from_ansi(ansi), no_wrap=True, crop=False)
    return console.export_svg(title="shop", code_format=FORMAT, unique_id="up")


def main() -> None:
    """Boot a host, run, draw, and take the host away."""
    lab = Lab("web", base_folder(os.environ))
    lab.down()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "tests" / "apps" / "notes", Path(folder, "app"), ignore=shutil.ignore_patterns(".venv"))
        try:
            host = lab.add()
            variables = {"app_source": "app", "caddy_domain": "api.example.com"}
            write_inventory(
                Path(folder, "inventory.yml"), [host], {**variables, "caddy_source": "distro", "caddy_tls": "internal"}
            )
            shown = screen(Path(folder), ["provision up", "provision up"])
        finally:
            lab.down()
    (DOCS / "pictures" / "up.svg").write_text(picture(shown), "utf-8")


if __name__ == "__main__":
    main()
