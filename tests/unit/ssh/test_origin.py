"""The address that a login came from, as a real sshd says it, on the record of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.unit.live_session import replaced

from provision import script
from provision.resources.base import Step
from provision.shell import Sh
from provision.transport import ssh
from provision.transport.session import Session
from provision.transport.ssh_hostkeys import HostKeyPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ssh.openssh import Sshd


def test_a_run_over_ssh_is_recorded_with_its_address(sshd: Sshd, tmp_path: Path) -> None:
    files = script.apply([Step(Sh("true"))], audit={"who": "ann@laptop"})
    here = {name: replaced(data, {"/var/log/provision": str(tmp_path / "log")}) for name, data in files.items()}
    connection = ssh.connect(sshd.login, host_keys=HostKeyPolicy())
    try:
        with Session(connection, holder="test", base=str(tmp_path / "run")) as session:
            session.trip(here, lambda frame: None)
    finally:
        connection.close()

    record = json.loads((tmp_path / "log" / "audit.jsonl").read_text())
    assert record == {"who": "ann@laptop", "from": "127.0.0.1", "result": "ok", "changed": 1}
