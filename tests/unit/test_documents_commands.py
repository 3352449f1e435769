"""Commands in the documents: shell that parses, commands and options of provision that exist, targets of make."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator

import click
import pytest
from tests.documents.blocks import FENCE, Block, all_blocks, written_pages
from tests.documents.commands import commands, commands_page
from tests.documents.markdown import ROOT

from provision.cli import main

INLINE = re.compile(r"`([^`\n]+)`")
LANGUAGES = {"diff", "ini", "python", "sh", "text", "toml", "yaml"}


def calls(line: str) -> Iterator[list[str]]:
    """The words of each command of a line of shell; redirections come as commands that nobody looks for."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("();<>|&"):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def used(program: str) -> Iterator[tuple[str, list[str]]]:
    """Place and words of every call of ``program``, in a block of shell or in running text."""
    for block in all_blocks("sh"):
        for number, line in enumerate(block.text.replace("\\\n", " ").splitlines(), block.line):
            for words in calls(line):
                if words[:1] == [program]:
                    yield f"{block.page.relative_to(ROOT)}:{number}", words[1:]
    for page in written_pages():
        text = FENCE.sub(lambda found: "\n" * found[0].count("\n"), page.read_text("utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            for code in INLINE.findall(line):
                if code.startswith(f"{program} "):
                    yield f"{page.relative_to(ROOT)}:{number}", next(calls(code))[1:]


def check(words: list[str]) -> None:
    """Parse a command line of provision as the command would, without running it."""
    command: click.Command = main
    context = click.Context(main, info_name="provision")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]}"
        context = click.Context(found, parent=context, info_name=words[0], **found.context_settings)
        command, words = found, words[1:]
    # A command may be named without its arguments.
    if words not in ([], ["--help"]) and (not isinstance(command, click.Group) or command.invoke_without_command):
        command.parse_args(context, list(words))


@pytest.mark.parametrize(("place", "words"), [pytest.param(*found, id=found[0]) for found in used("provision")])
def test_every_command_exists(place: str, words: list[str]) -> None:
    check(words)


def test_the_check_of_commands_finds_what_is_wrong() -> None:
    for wrong in (["rollbak"], ["up", "--chek"], ["lab", "upp"], ["up", "--forks", "many"], ["up", "a", "b"]):
        with pytest.raises((AssertionError, click.UsageError)):
            check(wrong)
    assert len(list(used("provision"))) > 60


def test_commands_are_found_wherever_they_stand_in_a_line() -> None:
    line = "pass show x | provision up --set @/dev/stdin >log && provision logs -- 'a | b'  # provision no"
    found = [words for words in calls(line) if words[:1] == ["provision"]]
    assert found == [["provision", "up", "--set", "@/dev/stdin"], ["provision", "logs", "--", "a | b"]]


@pytest.mark.parametrize("block", all_blocks("sh"), ids=lambda block: block.name)
def test_shell_parses(block: Block) -> None:
    done = subprocess.run(["sh", "-n"], input=block.text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    found = [(place, word) for place, words in used("make") for word in words if "=" not in word]
    assert len(found) > 4
    assert [one for one in found if one[1] not in targets] == []


def test_every_block_has_a_language_that_is_checked() -> None:
    """A fence without one, or with another, would pass by all checks of blocks."""
    fences = [
        (page.name, language)
        for page in written_pages()
        for language in re.findall(r"^ *```(\w*)$", page.read_text("utf-8"), re.MULTILINE)[::2]
    ]
    assert [fence for fence in fences if fence[1] not in LANGUAGES] == []
    assert len(fences) == len(all_blocks(*LANGUAGES))


def test_blocks_that_nobody_runs_say_why() -> None:
    """The e2e test runs those of the tutorial; commands that cannot run there are few."""
    reasons = [block.about for block in all_blocks("sh") if block.mark == "not run"]
    assert 0 < len(reasons) <= 4
    assert all(len(reason.split()) > 2 for reason in reasons)


def test_the_reference_has_every_command_and_option() -> None:
    text = commands_page()
    found = list(commands(main, click.Context(main, info_name="provision")))
    assert len(found) > 15
    for context in found:
        section = text.split(f"\n## {context.command_path}\n")[1].split("\n## ")[0]
        options = [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]
        assert [name for name in options if name != "--help" and name not in section] == []
