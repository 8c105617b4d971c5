"""The snippets of docs/use-it-from.md, as they stand: shell and Python are run in the order of the page."""

import re
import subprocess
import sys
from typing import Final

import pytest

from tests.support.processes import ROOT
from tests.support.stack import Stack

PAGE: Final = ROOT / "docs" / "use-it-from.md"
_BLOCK: Final = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
TIMEOUT_S: Final = 60


def blocks(kind: str) -> list[str]:
    return [text for found, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8")) if found == kind]


def run(stack: Stack, *command: str) -> str:
    lines = {"OPENAI_BASE_URL": f"{stack.ready().http}/v1", "OPENAI_API_KEY": "none", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        command,
        env={**stack.environment, **lines},
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("block", blocks("sh"))
def test_each_shell_snippet_works(echo: Stack, block: str) -> None:
    assert "Who wrote the first program?" in run(echo, "bash", "-euo", "pipefail", "-c", block)


def test_the_python_snippets_work_one_after_another(echo: Stack) -> None:
    assert len(blocks("python")) > 1
    said = run(echo, sys.executable, "-c", "\n".join(blocks("python")))
    assert "Who wrote the first program?" in said
    assert "What is the deposit?" in said
