"""A package index with a login on a test host: it has one package, and knows where the others are."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

SERVER = """
import base64, http.server, sys
login, wheel = open(sys.argv[1]).read(), sys.argv[2]
class Index(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Authorization", "").removeprefix("Basic ")
        if base64.b64decode(asked).decode() != login:
            return self.answer(401, b"", {"WWW-Authenticate": "Basic"})
        if self.path.endswith(".whl"):
            return self.answer(200, open(wheel, "rb").read())
        if self.path == "/simple/shop-secrets/":
            name = wheel.rpartition("/")[2]
            return self.answer(200, f'<a href="/{name}">{name}</a>'.encode(), {"Content-Type": "text/html"})
        self.answer(302, b"", {"Location": "https://pypi.org" + self.path})
    do_HEAD = do_GET
    def answer(self, status, body, headers={}):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", 8765), Index).serve_forever()
"""

URL = "http://127.0.0.1:8765/simple"
START = "systemd-run --quiet --unit index python3 /opt/index/server.py {login} /opt/index/{wheel}"
"""What root runs on the host, where Python is; ``login`` is a file with NAME:PASSWORD."""


def place_index(root: Path) -> Path:
    """Put server and wheel below ``root``, the host's; the wheel, whose module ``shop_secrets`` has a ``WORD``."""
    folder = root / "opt" / "index"
    folder.mkdir()
    (folder / "server.py").write_text(SERVER)
    return make_wheel(folder, "shop_secrets", {"shop_secrets.py": 'WORD = "hush"\n'})


def make_wheel(folder: Path, name: str, modules: Mapping[str, str], requires: str = "") -> Path:
    """A wheel of version 1.0, as small as one can be."""
    path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + (requires and f"Requires-Dist: {requires}\n")
    tags = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {**modules, f"{info}/METADATA": metadata, f"{info}/WHEEL": tags}
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"]))
    return path
