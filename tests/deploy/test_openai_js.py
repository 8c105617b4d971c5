"""OpenAI's official client for JavaScript against a running system. npm is Debian's; node comes with playwright."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import playwright
import pytest

from tests.deploy.support import debian
from tests.support.processes import ROOT
from tests.support.stack import Options, Stack, running
from tests.support.waiting import until

_SOURCES: Final = Path(__file__).parent / "support" / "openai_js"
_NODE: Final = Path(playwright.__file__).parent / "driver" / "node"
_LIMIT_S: Final = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, installed as its lock file says."""
    if not shutil.which("npm"):
        debian.ensure("npm")
    there = tmp_path_factory.mktemp("js") / "openai"
    shutil.copytree(_SOURCES, there)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=there, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return there


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running(Options(queue_size=16, slots=4, echo_delay_s=0.05)) as one:
        yield one


@pytest.fixture
def ask(folder: Path, stack: Stack) -> Callable[[str], Any]:
    """Runs one of the script's questions; what it found."""

    def run(what: str, stack: Stack = stack) -> Any:
        return json.loads(run_node(folder, stack, "ask.js", what))

    return run


def run_node(folder: Path, stack: Stack, *command: str) -> str:
    """What a script says."""
    lines = {"OPENAI_BASE_URL": f"{stack.ready().http}/v1", "OPENAI_API_KEY": "none"}
    done = subprocess.run(
        [str(_NODE), *command],
        cwd=folder,
        env={**os.environ, **lines},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_snippet_of_the_page_works_as_it_stands(folder: Path, stack: Stack) -> None:
    page = (ROOT / "docs" / "use-it-from.md").read_text(encoding="utf-8")
    (folder / "snippet.mjs").write_text(page.partition("```js\n")[2].partition("```")[0])
    assert "Who wrote the first program?" in run_node(folder, stack, "snippet.mjs")


def test_a_chat_a_stream_and_a_response_are_read(ask: Callable[[str], Any]) -> None:
    assert ask("chat") == "one two"
    assert ask("stream") == ["one", " two", " three"]
    assert ask("responses") == "one two"


def test_a_refusal_is_the_clients_own_error(ask: Callable[[str], Any]) -> None:
    assert ask("refused") == ["NotFoundError", 404, "model_not_found", "model"]


def test_a_spike_of_fifty_is_answered_by_the_clients_own_retries(ask: Callable[[str], Any]) -> None:
    answers = ask("spike")
    answered = [answer == f"question {number}" for number, answer in enumerate(answers)]
    assert sum(answered) >= 48
    assert {answer for answer, right in zip(answers, answered, strict=True) if not right} <= {"429"}


def test_a_call_that_is_cancelled_in_the_middle_cancels_its_job(folder: Path, ask: Callable[..., Any]) -> None:
    with running(Options(echo_delay_s=60)) as slow:
        assert ask("cancelled", slow) == "APIUserAbortError"
        health = f"{slow.ready().http}/health"
        until(lambda: httpx.get(health, trust_env=False).json()["queue_depth"] == 0, "the job is cancelled", 30)
