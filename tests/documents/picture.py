"""Writes docs/pictures/up.svg, a terminal in which `provision up` was run for real: `make picture`.

On a test host of this machine's; the picture is what a user would see at the end.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from tests.documents.markdown import DOCS, ROOT
from tests.documents.screen import screen

from provision.lab.inventory import write_inventory
from provision.lab.lab import Lab, base_folder

WIDTH = 84
SCRIPT = "".join(f"printf '\\033[1m$ %s\\033[0m\\n' {call!r}; {call}; echo\n" for call in ["provision up"] * 2)

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


def picture(ansi: str) -> str:
    """A screen as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text.from_ansi(ansi), no_wrap=True, crop=False)
    return console.export_svg(title="shop", theme=MONOKAI, code_format=FORMAT, unique_id="up")


def main() -> None:
    """Boot a host, run, draw, and take the host away."""
    lab = Lab("web", base_folder(os.environ))
    lab.down()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    variables = {"app_source": "app", "app_workers": 2, "caddy_domain": "api.example.com"}
    variables |= {"caddy_source": "distro", "caddy_tls": "internal"}  # The test host is not on the internet.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "tests" / "apps" / "notes", folder / "app", ignore=shutil.ignore_patterns(".venv"))
        try:
            write_inventory(folder / "inventory.yml", [lab.add()], variables)
            shown, code = screen(SCRIPT, folder, environment, width=WIDTH, colors=True)
        finally:
            lab.down()
    assert code == 0, shown
    (DOCS / "pictures" / "up.svg").write_text(picture(shown), "utf-8")


if __name__ == "__main__":
    main()
