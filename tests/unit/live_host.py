"""Real reads and steps of a kind on this machine, under a shell of the test's choice."""

from __future__ import annotations

import getpass
import grp
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from provision import script
from provision.answers import SurveyParser
from provision.plan import compare
from provision.resources.base import Diff, Facts, Read, Reading, Resource
from provision.transport.frames import FrameReader

ME: dict[str, Any] = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}


class Outcome(NamedTuple):
    """How the steps of a change ended."""

    status: int
    output: str


class Host:
    """This machine, with one shell for every read and step."""

    def __init__(self, shell: str, scratch: Path) -> None:
        self._shell, self._scratch = shell, scratch

    def survey(self, reads: set[Read]) -> dict[Read, Reading]:
        folder = self._scratch / "reads"
        folder.mkdir(exist_ok=True)
        for name, data in script.survey(reads, contents=True).items():
            (folder / name).write_bytes(data.replace(b' sh "$here/', f' {self._shell} "$here/'.encode()))
        environment = {**os.environ, "nonce": "test", "here": str(folder)}
        answer = subprocess.run([self._shell, folder / "main"], env=environment, stdout=subprocess.PIPE, check=True)
        parser = SurveyParser(reads)
        for frame in FrameReader("test").feed(answer.stdout):
            parser(frame)
        return parser.observed().readings

    def diff(self, resource: Resource) -> Diff:
        return compare(resource.desired(Facts()), self.survey(set(resource.reads())), Facts())

    def apply(self, resource: Resource, diff: Diff, **environment: str) -> Outcome:
        output = ""
        for step in resource.change(diff):
            folder = self._scratch / "files"
            folder.mkdir(exist_ok=True)
            for name, data in step.files.items():
                (folder / name).write_bytes(data)
            path = self._scratch / "step.sh"
            path.write_text("umask 022\ncd /\n" + step.script + "\n")
            ran = subprocess.run(
                [str(shutil.which(self._shell)), "-eu", path],
                env={**os.environ, "FILES": str(folder), "run": str(self._scratch / "run"), **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            output += ran.stdout
            if ran.returncode:
                return Outcome(ran.returncode, output)
        return Outcome(0, output)

    def converge(self, resource: Resource) -> set[str]:
        """The names of the properties that differed; none of them does afterwards."""
        diff = self.diff(resource)
        outcome = self.apply(resource, diff)
        assert outcome.status == 0, outcome.output
        assert self.diff(resource).changes == ()
        return {change.property.name for change in diff.changes}

    def fails(self, resource: Resource) -> str:
        """What the steps print when they fail, as they must."""
        outcome = self.apply(resource, self.diff(resource))
        assert outcome.status != 0
        return outcome.output
