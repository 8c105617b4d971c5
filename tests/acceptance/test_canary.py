"""`docqa smoke` and `docqa canary` on running stacks: what is well passes, what is not ends with a reason."""

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.openai_api import refuses, says, serving
from tests.support.processes import ROOT
from tests.support.stack import Beside, Options, Stack, Start, running
from tests.support.waiting import until

GATE = ("--minutes", "0.08", "--every", "0.3", "--load", "300")
PATIENT = ("--minutes", "0.25", "--every", "0.3", "--load", "300")
"""For a candidate whose answers are tried several times: ten must have come even on a busy machine."""


def docqa(*arguments: str, stack: Stack) -> tuple[int, Any, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ops", *arguments, "--json"],
        env=stack.environment,
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def smoke(stack: Stack, *arguments: str, target: str = "") -> tuple[int, Any, str]:
    return docqa("smoke", "--target", target or str(stack.ready().uds), *arguments, stack=stack)


@pytest.fixture(scope="module")
def candidate() -> Iterator[Stack]:
    """As good as the session's, with a queue that can be filled."""
    with running(Options(queue_size=10, slots=4, echo_delay_s=0.3)) as stack:
        yield stack


@pytest.fixture
def leaking(candidate: Stack) -> Iterator[Path]:
    """The socket of an ingress on the candidate's bus that loses memory."""
    uds = candidate.folder / "leaking.sock"
    # The library's own folder: what is uploaded waits there.
    environment = {**_here(uds), "DOCQA_DATA_DIR": str(candidate.ready().data_dir)}
    ingress = Beside(candidate, "tests.support.leaking_ingress", "ingress", environment)
    ingress.start()
    until(uds.exists, "the leaking ingress listens")
    yield uds
    ingress.destroy()


def _here(uds: Path) -> dict[str, str]:
    return {"DOCQA_UDS": str(uds), "DOCQA_PORT": "0", "PYTHONPATH": str(ROOT)}


def test_smoke_passes_on_a_socket_and_fills_the_queue_when_told(candidate: Stack) -> None:
    code, found, _ = smoke(candidate, "--check-429")
    assert (code, found["ok"]) == (0, True), found
    assert [step["name"] for step in found["steps"]] == [
        "health",
        "jobs",
        "document",
        "metrics",
        "queue",
        "429",
        "queue",
    ]
    assert "10 accepted and answered" in found["steps"][1]["detail"]
    assert found["steps"][2]["detail"] == "a document was read, found, asked about and erased"
    assert found["steps"][5]["detail"].startswith("queue-full after 1")


def test_smoke_reads_the_worker_s_metrics_over_a_url(candidate: Stack) -> None:
    ready = candidate.ready()
    pages = [word for name in ("ingress", "worker") for word in ("--metrics", ready.metrics[name])]
    code, found, _ = smoke(candidate, "--jobs", "2", *pages, target=ready.http)
    assert code == 0, found
    [metrics] = [step for step in found["steps"] if step["name"] == "metrics"]
    assert "answers" in metrics["detail"]


def test_smoke_of_what_is_not_there_fails_with_the_reason(candidate: Stack, tmp_path: Path) -> None:
    code, found, _ = smoke(candidate, target=str(tmp_path / "none"))
    assert (code, found["ok"], len(found["steps"])) == (1, False, 1)
    assert "nothing answers" in found["steps"][0]["detail"]
    code, _, words = smoke(candidate, target="ftp://x")
    assert (code, words.count("\n")) == (1, 1)


def test_a_good_candidate_is_promoted_with_a_report(echo: Stack, candidate: Stack) -> None:
    sides = ("--baseline", echo.ready().http, "--candidate", str(candidate.ready().uds))
    code, found, words = docqa("canary", *sides, *GATE, "--report", "canary.md", stack=candidate)
    assert code == 0, found or words
    assert found["verdict"]["decision"] == "promote"
    assert len(found["seen"]["candidate"]["sent"]) >= 10
    assert "# Canary: promote" in (candidate.folder / "canary.md").read_text(encoding="utf-8")


def test_a_slow_candidate_is_rolled_back(echo: Stack, start: Start) -> None:
    slow = start(slots=4, echo_delay_s=0.9)
    sides = ("--baseline", str(echo.ready().uds), "--candidate", str(slow.ready().uds))
    code, found, _ = docqa("canary", *sides, *GATE, "--skip-smoke", stack=slow)
    assert (code, found["verdict"]["decision"]) == (1, "roll back"), found["verdict"]
    assert "times as long as the baseline" in found["verdict"]["reasons"][0]


def test_a_leaking_candidate_is_rolled_back(echo: Stack, leaking: Path) -> None:
    sides = ("--baseline", str(echo.ready().uds), "--candidate", str(leaking))
    code, found, words = docqa("canary", *sides, *GATE, stack=echo)
    assert (code, found["verdict"]["decision"]) == (1, "roll back"), found["verdict"] or words
    assert "memory grows by" in found["verdict"]["reasons"][0]
    assert "does not level off" in found["verdict"]["reasons"][0]


async def test_a_candidate_whose_worker_fails_is_rolled_back(echo: Stack, start: Start) -> None:
    """One answer of three: what a smoke test may not meet."""
    async with serving() as api:
        behaviours = itertools.cycle([says("Ada."), says("Ada."), refuses(418)])
        api.usually = lambda writer: next(behaviours)(writer)
        proxy = {"DOCQA_BACKEND": "proxy", "COPILOT_API_URL": api.url, "COPILOT_API_KEY": "k", "DOCQA_PROXY_MODEL": "m"}
        failing = await asyncio.to_thread(start, environment={**proxy, "COPILOT_CACHE_ENABLED": "false"})
        sides = ("--baseline", str(echo.ready().uds), "--candidate", str(failing.ready().uds))
        code, found, words = await asyncio.to_thread(docqa, "canary", *sides, *PATIENT, "--skip-smoke", stack=failing)
    assert (code, found["verdict"]["decision"]) == (1, "roll back"), found["verdict"] or words
    assert "probe questions failed at the candidate" in found["verdict"]["reasons"][0]
    assert "requests by its metrics failed at the candidate" in found["verdict"]["reasons"][1]


def test_a_candidate_that_is_not_there_is_rolled_back_and_a_baseline_that_is_not_says_nothing(echo: Stack) -> None:
    there, nowhere = str(echo.ready().uds), str(echo.folder / "none")
    code, found, _ = docqa("canary", "--baseline", there, "--candidate", nowhere, *GATE, stack=echo)
    assert code == 1
    assert "smoke test failed at health" in found["verdict"]["reasons"][0]
    short = ("--minutes", "0.05", "--every", "0.4", "--load", "0", "--skip-smoke")
    code, found, _ = docqa("canary", "--baseline", nowhere, "--candidate", there, *short, stack=echo)
    assert (code, found["verdict"]["decision"]) == (2, "can't say")


def test_an_error_of_the_gate_itself_is_no_verdict_on_the_candidate(echo: Stack) -> None:
    code, found, words = docqa("canary", "--baseline", "ftp://x", "--candidate", "/y", stack=echo)
    assert (code, found, words.count("\n")) == (2, None, 1)
