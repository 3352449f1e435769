"""Whatever stands in a field is data: a kind refuses it in words, or no shell and no program takes it for more."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.hostile import Attack, attacks
from tests.unit.hostile_machine import Arguments, Machine, scripts_of, texts

ALL = list(attacks())
TEXTS = {
    "quotes": "'\"\\'\\\"",
    "a substitution": "$(>CANARY)",
    "an end of a quote": "'; >CANARY; '",
    "a line of its own": "a\n>CANARY\n",
    "an end of a here-document": "\nEND\nEOF\n>CANARY\n",
    "an option": "--version",
    "a glob": "*?[a-z]",
    "a NUL": "a\0b",
    "half a character": "a\ud800",
    "other scripts": "ä€\u2028\U0001f600\u202e",
    "64 KiB": "x" * 65536,
    "a carriage return": "a\r>CANARY",
    "formats": "%s%n\\n{}{0}$1${HOME}~!!&|<>#",
}
RUN = (
    "'\"$(>CANARY)`>CANARY`;>CANARY|>CANARY&\n>CANARY\n\\",
    "'\"$(>CANARY)`>CANARY`;>CANARY|>CANARY& >CANARY #\\",
    "';>CANARY;'$(>CANARY)`>CANARY`",
    "\n>CANARY\n",
)
"""What runs for real; CANARY is a file that only a shell makes which takes a text for a program."""


@pytest.fixture(params=["dash", "bash"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    machine = Machine(request.param)
    yield machine
    machine.close()


def valid(scripts: Sequence[bytes], shell: str = "dash") -> list[str]:
    """What a shell says against the syntax of ``scripts``."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(scripts):
            Path(folder, f"{number}.sh").write_bytes(data)
        check = f'for file in *.sh; do {shell} -n "$file" || echo "$file"; done'
        done = subprocess.run(["sh", "-c", check], cwd=folder, capture_output=True, text=True)
        return (done.stdout + done.stderr).splitlines()


def test_there_is_an_attack_on_each_module() -> None:
    from provision.resources.kinds import KINDS

    without_text = {"sshd"}
    assert {attack.kind for attack in ALL} == set(KINDS) - without_text
    assert len(ALL) > 250


@pytest.mark.parametrize("name", TEXTS)
def test_it_is_refused_in_words_or_part_of_a_valid_script(name: str) -> None:
    found: set[bytes] = set()
    for attack in ALL:
        for text in texts(attack, TEXTS[name])[1 if name == "64 KiB" else 0 :]:
            files = scripts_of(attack, text) or {}
            found.update(data for file, data in files.items() if file.endswith(".sh"))
    if name in {"a NUL", "half a character"}:
        assert found == set()
    else:
        assert len(found) > 100
        assert valid(sorted(found)) == []


@given(
    st.sampled_from(ALL), st.text(st.sampled_from("ab '\"\\$`;|&<>(){}[]*?!#~-=%\n\t\r\0\x1b\ud800é/."), max_size=30)
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text(attack: Attack, text: str) -> None:
    for value in texts(attack, text):
        if files := scripts_of(attack, value):
            assert valid([data for name, data in files.items() if name.endswith(".sh")]) == []


@pytest.mark.parametrize("nasty", RUN)
def test_no_shell_runs_it_and_no_program_gets_a_part_of_it(machine: Machine, nasty: str) -> None:
    given = Arguments(machine, ALL, nasty)

    assert given.canaries == []
    # A command is written in words, and becomes these.
    assert given.broken() - {"command cmd"} == set()
    assert len(given.taken) > 50
    assert len(given.whole()) > 10
    assert len(given.calls) > 500


@pytest.mark.parametrize("machine", ["dash"], indirect=True)
def test_no_program_takes_it_for_an_option(machine: Machine) -> None:
    given = Arguments(machine, ALL, "", before="--")
    # Options of tar; and an argument of a shell's program, behind the program's name.
    assert given.options() - {"unarchive extra_opts.0", "wait_for host"} == set()
    assert len(given.whole()) > 30


def test_the_tests_see_what_they_look_for(machine: Machine) -> None:
    """A kind that forgot its quotes would be found."""
    machine.add("1.sh", b"echo aZ3q$(>canary-3)q3Zb\nrm aZ3q and q3Zb\nls --aZ3q\n")
    given = Arguments(machine, ALL[:4], "nothing")

    assert given.canaries == [str(ALL[3])]
    assert str(ALL[3]) in given.broken()
    assert given.options() == {str(ALL[3])}


LINES = {"authorized_key", "cron", "deb822_repository", "get_url", "group", "hostname", "postgresql_pg_hba", "sysctl"}
"""Modules that write files in which a line is an entry."""


def test_no_text_becomes_an_entry_of_its_own() -> None:
    looked = 0
    for attack in ALL:
        for text in ("a\nINJECTED", "a\rINJECTED", "a\vINJECTED", "a INJECTED") if attack.kind in LINES else ():
            for value in texts(attack, text):
                for name, data in (scripts_of(attack, value) or {}).items():
                    looked += 1
                    assert name.endswith(".sh") or not re.search(rb"(?m)^INJECTED", data), (str(attack), value)
    assert looked > 100
