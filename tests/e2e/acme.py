"""Pebble, a certificate authority for tests, on a host of its own: it asks the site's host back on its ports."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.cli import wait_for

from provision.lab.lab import Lab
from provision.lab.provider import Host

_INSTALL = """
set -eu
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends pebble openssl curl >/dev/null
mkdir -p /etc/pebble-test && cd /etc/pebble-test
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=pebble test root" -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=pebble -keyout key.pem -out csr.pem 2>/dev/null
printf 'subjectAltName=IP:%s' "$ADDRESS" >san
openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile san -out cert.pem 2>/dev/null
for name in $NAMES; do echo "$SITE $name"; done >>/etc/hosts
cat >/etc/systemd/system/pebble.service <<'END'
[Service]
Environment=PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 PEBBLE_AUTHZREUSE=0
ExecStart=/usr/bin/pebble -config /etc/pebble-test/config.json
END
systemctl daemon-reload
"""

CLOSED = 9
"""A port of the site's host where nothing answers."""


class Authority:
    """A Pebble, which knows ``names`` as names of ``site``."""

    def __init__(self, lab: Lab, host: Host, site: Host, names: Sequence[str]) -> None:
        self._lab, self.host = lab, host
        given = {"ADDRESS": host.address, "SITE": site.address, "NAMES": " ".join(names)}
        script = "".join(f"{name}={shlex.quote(value)}\n" for name, value in given.items()) + _INSTALL
        (lab.root(host) / "root/pebble").write_text(script)
        self._do("sh /root/pebble")
        self.root = lab.root(host) / "etc/pebble-test/ca.pem"
        """What its own certificate goes back to."""
        self.directory = f"https://{host.address}:14000/dir"
        self.issuer = ""
        """The root of what it issues, which is made anew at each of its starts."""
        self.start()

    def start(self, *, http_port: int = 80, tls_port: int = 443, lifetime: int = 7 * 24 * 3600) -> None:
        """Run it anew: it asks for challenges on these ports, and its certificates last ``lifetime`` seconds."""
        config = {
            "pebble": {
                "listenAddress": "0.0.0.0:14000",
                "managementListenAddress": "127.0.0.1:15000",
                "certificate": "/etc/pebble-test/cert.pem",
                "privateKey": "/etc/pebble-test/key.pem",
                "httpPort": http_port,
                "tlsPort": tls_port,
                "ocspResponderURL": "",
                "externalAccountBindingRequired": False,
                "certificateValidityPeriod": lifetime,
            }
        }
        (self._lab.root(self.host) / "etc/pebble-test/config.json").write_text(json.dumps(config))
        self._do("systemctl restart pebble")
        self.issuer = wait_for("Pebble", self._issuer)

    def stop(self) -> None:
        """It does not answer."""
        self._do("systemctl stop pebble")

    def trust(self, folder: Path) -> Path:
        """A file for a client that trusts nothing but what it issues now."""
        path = folder / "issuer.pem"
        path.write_text(self.issuer)
        return path

    def accounts(self) -> int:
        """How many it has registered since it was started last."""
        told = self._lab.run(
            self.host, "journalctl -u pebble -o cat _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID pebble)"
        )
        return told.stdout.count(" accounts in memory")

    def _issuer(self) -> str:
        said = self._lab.run(self.host, "curl -sk https://127.0.0.1:15000/roots/0").stdout
        return said if "BEGIN CERTIFICATE" in said else ""

    def _do(self, command: str) -> None:
        done = self._lab.run(self.host, command, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
