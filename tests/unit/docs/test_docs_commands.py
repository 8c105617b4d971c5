"""Every `docqa` command that the documentation names is there, with the options that it names."""

import re
import shlex
from pathlib import Path
from typing import Final

import click
import pytest

from bench.__main__ import cli as bench
from ops.__main__ import cli as docqa

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("deploy/**/*.md"))]

_CODE = re.compile(r"`([^`]+)`")
_COMMAND = re.compile(r"(?:^|[\s(/])docqa ([a-z]+(?: [^|;&#>()`]*)?)")
_OF_KUBECTL = re.compile(r"-n docqa ")


def commands_in(page: Path) -> list[str]:
    """What follows `docqa` in any code of the docs."""
    found = []
    for line in page.read_text(encoding="utf-8").splitlines():
        pieces = [*_CODE.findall(line), *([line] if line.startswith(("    ", ".venv/bin/docqa", "docqa ")) else [])]
        found += [command for piece in pieces if not _OF_KUBECTL.search(piece) for command in _COMMAND.findall(piece)]
    return found


def trouble_with(command: str) -> str:
    """Why it would be refused; nothing when it would be taken."""
    words = shlex.split(command.replace("…", ""))
    found: click.Command = docqa
    while words and isinstance(found, click.Group) and not words[0].startswith("-"):
        inner = bench if words[0] == "bench" else found.get_command(click.Context(found), words[0])
        if inner is None:
            return f"there is no command {words[0]}"
        found, words = inner, words[1:]
    known = {"--help", *(option for parameter in found.params for option in parameter.opts)}
    given = {word.partition("=")[0].rstrip(".,:") for word in words if word.startswith("--")}
    return f"there is no option {given - known}" if given - known else ""


def test_the_pages_name_commands() -> None:
    assert sum(len(commands_in(page)) for page in PAGES) > 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_is_there_with_its_options(page: Path) -> None:
    troubles = {command: trouble for command in commands_in(page) if (trouble := trouble_with(command))}
    assert not troubles


@pytest.mark.parametrize("command", ["backup make", "backup create --into x", "bench spike --quickly", "nothing"])
def test_one_that_is_not_there_is_found(command: str) -> None:
    assert trouble_with(command)
