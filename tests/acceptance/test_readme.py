"""The README's commands, as they stand.

A ```sh or ```console block that follows the comment `<!-- tested -->` is run. Blocks share one folder that
looks like the checkout, one HOME and one running `docqa up` with the bundled model; only the loopback
address and port are replaced.
"""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.processes import ROOT
from tests.support.stack import Options, Stack, running

_BLOCK = re.compile(r"<!-- tested -->\s*```(?P<kind>sh|console)\n(?P<text>.*?)```", re.DOTALL)
TIMEOUT_S = 60


def marked_blocks() -> list[str]:
    """The commands of each marked block."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return [_commands(match["kind"], match["text"]) for match in _BLOCK.finditer(readme)]


@pytest.fixture(scope="module")
def home() -> Iterator[Stack]:
    """A stack in the default places of a new HOME, as `make up` leaves it."""
    with running(Options(engine="llama", own_places=False, embedder=True)) as stack:
        for entry in ROOT.iterdir():
            if not (stack.folder / entry.name).exists():
                (stack.folder / entry.name).symlink_to(entry)
        if not (stack.folder / ".venv").exists():
            (stack.folder / ".venv").symlink_to(sys.prefix)
        yield stack


def test_the_readme_has_commands_to_test() -> None:
    assert marked_blocks()


@pytest.mark.model
def test_the_commands_of_the_readme_work_as_they_stand(home: Stack) -> None:
    address = home.ready().http.removeprefix("http://")
    for commands in marked_blocks():
        script = re.sub(r"(127\.0\.0\.1|localhost):8000", address, commands)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=home.environment,
            cwd=home.folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert done.stdout.strip()


def _commands(kind: str, text: str) -> str:
    """In a console block, "$ " begins a command; "> " and what follows a backslash go on with it."""
    if kind == "sh":
        return text
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(("$ ", "> ")):
            lines.append(line[2:])
        elif lines and lines[-1].endswith("\\"):
            lines.append(line)
        elif lines and lines[-1]:
            lines.append("")  # what the command printed
    return "\n".join(lines)
