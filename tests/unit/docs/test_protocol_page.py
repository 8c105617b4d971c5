"""docs/protocol.md says what the code does; tests/acceptance/test_protocol.py runs the publisher in it."""

import re
from pathlib import Path
from typing import get_args

import pytest

from contract import topology
from contract.messages import FailureCode
from contract.topology import JobName

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "protocol.md").read_text(encoding="utf-8")


def first_cells() -> list[str]:
    """The first cell of each row of each table."""
    return [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]


def test_every_code_of_a_failure_is_explained() -> None:
    explained = {code for cell in first_cells() for code in re.findall(r"`([a-z-]+)`", cell)}
    assert explained - {"traceparent"} == set(get_args(FailureCode))


def test_the_subjects_are_the_topologys() -> None:
    job = JobName("name", "client", "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3")
    named = PAGE.replace("<name>", job.publisher).replace("<client>", job.client).replace("<job id>", job.job_id)
    for subject in (job.subject, job.results_subject, job.tokens_subject, job.cancel_subject):
        assert f"| `{subject}` |" in named
    bucket = topology.RESULTS_BUCKET
    assert f"| `$JS.API.DIRECT.GET.KV_{bucket}.$KV.{bucket}.{job.key}` |" in named


@pytest.mark.parametrize("header", [topology.BODY_HASH_HEADER, topology.TRACE_HEADER])
def test_the_headers_are_named(header: str) -> None:
    assert any(f"`{header}`" in cell for cell in first_cells())


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)", PAGE))))
def test_what_is_linked_is_there(target: str) -> None:
    assert (DOCS / target).exists()
