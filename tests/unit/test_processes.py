"""The units of processes beside the app."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provision.resources.processes import exec_words, process_units

UNIT = "Description=@process@ (@slot@)\nExecStart=/usr/bin/env @command@\n"


def test_each_process_has_a_unit() -> None:
    units = process_units(UNIT, {"worker": "celery -A app worker", "beat": "celery -A app beat"})
    assert list(units) == ["process-beat", "process-worker"]
    assert units["process-worker"].splitlines() == [
        "Description=worker (@slot@)",
        'ExecStart=/usr/bin/env "celery" "-A" "app" "worker"',
    ]


@pytest.mark.parametrize("name", ["", "migrate", "preflight", "run", "run-1", "Worker", "a b", "1st", "x" * 21, "a-"])
def test_a_name_that_cannot_be_a_unit_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^processes: a name is"):
        process_units(UNIT, {name: "true"})


@pytest.mark.parametrize(("command", "says"), [("", "no command"), ("  ", "no command"), ("a 'b", "No closing")])
def test_a_command_that_is_none_is_refused(command: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"^processes: .*worker.*{says}"):
        process_units(UNIT, {"worker": command})


words = st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.just("\n"), min_size=1)


@given(st.lists(words, min_size=1))
@example([" ", "0"])
def test_every_word_is_quoted(given_words: list[str]) -> None:
    quoted = exec_words("worker", " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in given_words))
    assert "\n" not in quoted
    # Less what systemd replaces, the words are in C's quotes, which a shell's $'...' reads alike.
    plain = quoted.replace("%%", "%").replace("$$", "$")
    literals = (match[1].replace("'", "\\'") for match in re.finditer(r'"((?:[^"\\]|\\.)*)"', plain))
    script = "printf '%s\\0' " + " ".join(f"$'{literal}'" for literal in literals)
    read = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert read.split("\0")[:-1] == given_words


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "app-notes-worker@blue.service"
    text = process_units("[Service]\n" + UNIT.splitlines()[1] + "\n", {"worker": "sh -c 'a; b \"%\" \\ $x' ;"})
    unit.write_text(text["process-worker"])
    verify = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert [line for line in verify.stderr.splitlines() if unit.name in line] == []
