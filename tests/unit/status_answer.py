"""What hosts answered to the question for their status, and readings made of it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from provision.resources.base import Facts

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
FACTS = Facts(distribution="Debian", distribution_version="12", processor_vcpus=2, os_family="Debian")

MACHINE = """\
now=1795521600
ticks=100
load=0.42 0.30 0.25 1/200 4711
memory MemTotal=2048000
memory MemAvailable=1331200
disk /=10737418240 3221225472 7516192768
disk /srv/my data=1073741824 966367641 107374183
before=5000.00
after=5000.50
run 1={"who": "ann@laptop", "when": "2026-11-24T11:03:56Z", "version": "0.1.0", "command": "provision up inventory.yml", "from": "192.0.2.9", "result": "ok", "changed": 3}
"""  # noqa: E501 # as it was captured

APP = """\
app notes=blue
app notes number=3
app notes when=2026-11-24T11:04:00Z
app notes release=f81bd20064c5b4b9
app notes workers=2
unit app-notes@blue.service=app notes
unit app-notes@blue.service MainPID=100
unit app-notes@blue.service NRestarts=1
unit app-notes@blue.service MemoryHigh=671088640
unit app-notes@blue.service MemoryMax=infinity
unit app-notes@blue.service ActiveState=active
unit app-notes@blue.service SubState=running
unit app-notes@blue.service ActiveEnterTimestamp=Tue 2026-11-24 11:05:00 UTC
unit app-notes@blue.service ControlGroup=/system.slice/system-app\\x2dnotes.slice/app-notes@blue.service
unit app-notes@blue.service MemoryPeak=209715200
process 100=app-notes@blue.service
process 101=app-notes@blue.service
process 102=app-notes@blue.service
process 103=app-notes@blue.service
before 100=S 1 100 100 0 -1 4194560 1 0 0 0 40 8 0 0 20 0 1 0 170000 1 1
before 101=S 100 100 100 0 -1 4194560 1 0 0 0 2 1 0 0 20 0 1 0 170010 1 1
before 102=S 100 100 100 0 -1 4194560 1 0 0 0 100 20 0 0 20 0 1 0 170020 1 1
before 103=S 100 100 100 0 -1 4194560 1 0 0 0 100 20 0 0 20 0 1 0 170020 1 1
after 100=S 1 100 100 0 -1 4194560 1 0 0 0 40 8 0 0 20 0 1 0 170000 1 1
after 101=S 100 100 100 0 -1 4194560 1 0 0 0 2 1 0 0 20 0 1 0 170010 1 1
after 102=R 100 100 100 0 -1 4194560 1 0 0 0 110 22 0 0 20 0 1 0 170020 1 1
after 103=S 100 100 100 0 -1 4194560 1 0 0 0 1 0 0 0 20 0 1 0 500000 1 1
pss 100=49152
pss 101=7168
pss 102=55296
pss 103=54272
spawned 102=yes
spawned 103=yes
"""

CADDY = """\
unit caddy.service=service caddy.service
unit caddy.service MainPID=200
unit caddy.service NRestarts=0
unit caddy.service ActiveState=active
unit caddy.service ActiveEnterTimestamp=Mon 2026-11-23 10:00:00 UTC
unit caddy.service MemoryHigh=infinity
unit caddy.service MemoryMax=infinity
process 200=caddy.service
before 200=S 1 200 200 0 -1 4194560 1 0 0 0 40 8 0 0 20 0 1 0 1000 1 1
after 200=S 1 200 200 0 -1 4194560 1 0 0 0 40 9 0 0 20 0 1 0 1000 1 1
pss 200=24576
"""


def reading(*texts: str, rc: str = "0") -> dict[str, str]:
    """What a survey makes of such an answer."""
    pairs = (row.split("=", 1) for text in texts for row in text.splitlines())
    return {**{key: value for key, value in pairs}, "rc": rc}


def certificate(
    authority: str, site: str, begin: datetime, lasts: timedelta, extension: x509.ExtensionType | None = None
) -> str:
    """The line of a certificate."""
    name = x509.Name([])
    key = generate_private_key(SECP256R1())
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + lasts)
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    der = builder.sign(key, SHA256()).public_bytes(Encoding.DER)
    return f"certificate {authority} {site}={base64.b64encode(der).decode()}\n"
