"""LiteLLM and agent frameworks against a running system, as they come from their makers (`make clients`)."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.processes import ROOT
from tests.support.stack import Options, Stack, running

_PYTHON: Final = ROOT / ".venv-clients" / "bin" / "python"
_SCRIPT: Final = Path(__file__).parent / "support" / "openai_clients" / "ask.py"
_SNIPPETS: Final = re.compile(r"## ([^\n]+)\n\n```py\n(.*?)```", re.DOTALL)
_LIMIT_S: Final = 240
_QUIET: Final = {
    # Each of them would reach for an address of its maker's.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "LANGSMITH_TRACING": "false",
    "NO_PROXY": "127.0.0.1",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    if not _PYTHON.exists():
        pytest.skip("the clients are not installed: run `make clients`")
    with running(Options(queue_size=8, slots=2, echo_delay_s=0.1, embedder=True)) as one:
        yield one


def run(stack: Stack, script: str, *arguments: str) -> str:
    """What a script says that is run where the clients are."""
    lines = {"OPENAI_BASE_URL": f"{stack.ready().http}/v1", "OPENAI_API_KEY": "none"}
    done = subprocess.run(
        [str(_PYTHON), "-W", "ignore", *([script] if script.endswith(".py") else ["-c", script]), *arguments],
        cwd=stack.folder,
        env={**os.environ, **_QUIET, **lines},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("client", ["litellm", "langchain", "agents", "pydantic_ai"])
def test_it_is_answered_streams_retries_and_is_refused_tools_clearly(stack: Stack, client: str) -> None:
    # The last line: LiteLLM itself writes to stdout.
    found: dict[str, Any] = json.loads(run(stack, str(_SCRIPT), client).splitlines()[-1])
    assert found["chat"] == "one two"
    assert found["stream"] == ["one", " two", " three"]
    assert found["structured"] == "Rome"
    status, sentence = found["tool"]
    assert (status, "Tools are not offered" in sentence) == (400, True), sentence
    questions = [f"question {number}" for number in range(len(found["spike"]))]
    unanswered = [answer for answer, question in zip(found["spike"], questions, strict=True) if answer != question]
    assert len(unanswered) <= 1, unanswered
    assert all("429" in answer or "RateLimit" in answer for answer in unanswered), unanswered


def snippets() -> list[tuple[str, str]]:
    """Title and text of the page's snippets that need what others have written."""
    return _SNIPPETS.findall((ROOT / "docs" / "use-it-from.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("title", "snippet"), snippets(), ids=[title for title, _ in snippets()])
def test_the_snippet_of_the_page_works_as_it_stands(stack: Stack, title: str, snippet: str) -> None:
    assert "Who wrote the first program?" in run(stack, snippet)


def test_every_client_has_its_snippet() -> None:
    assert len(snippets()) == 4
