"""A person with files: brought in, found, asked about with the page of the answer, erased."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF

from tests.acceptance.test_watch import docqa
from tests.support.direct import Publisher, add, publishing
from tests.support.stack import Options, Stack, running
from tests.support.waiting import eventually

PAGES = (
    "Lease agreement between Anna Berg and Tom Weiss. The rent is 950 euros a month.",
    "The tenant may end this lease at any time by giving two months' notice in writing.",
    "The deposit of 1,900 euros is paid back within six weeks of the end of the lease.",
)
QUESTION = "How much notice must the tenant give?"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running(Options(slots=2, embedder=True)) as stack:
        yield stack


@pytest.fixture(scope="module")
def lease(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "lease.pdf"
    pdf = FPDF()
    pdf.set_font("Helvetica", size=12)
    for page in PAGES:
        pdf.add_page()
        pdf.multi_cell(0, 8, page)
    pdf.output(str(path))
    return path


async def brought_in(stack: Stack, path: Path, space: str = "") -> str:
    """The id of the file, once it is ready."""
    async with stack.client() as client:
        files, params = {"file": (path.name, path.read_bytes())}, {"space": space} if space else None
        response = await client.http.post("/api/documents", files=files, params=params)
        assert response.status_code in (200, 202), response.text
        location = response.headers["location"]

        async def is_ready() -> bool:
            document = (await client.http.get(location)).json()
            assert document["state"] != "failed", document
            return bool(document["state"] == "ready")

        await eventually(is_ready, f"{path.name} is read", 60)
        return str(response.json()["id"])


async def test_a_pdf_is_answered_from_with_the_page_and_the_very_words(stack: Stack, lease: Path) -> None:
    document = await brought_in(stack, lease)
    async with stack.client() as client:
        answer = (await client.ask(QUESTION, documents=[document], style="quote")).json()
        cited = answer["citations"][0]
        text = (await client.http.get(f"/api/documents/{document}/text")).json()["text"]
    assert cited["quote"] == PAGES[1]
    assert (cited["name"], cited["page"]) == ("lease.pdf", 2)
    assert text[cited["start"] : cited["end"]] == cited["quote"]


async def test_the_same_file_again_is_the_same_document(stack: Stack, lease: Path) -> None:
    first = await brought_in(stack, lease)
    async with stack.client() as client:
        again = await client.http.post("/api/documents", files={"file": (lease.name, lease.read_bytes())})
    assert (again.status_code, again.json()["id"]) == (200, first)


async def test_the_spaces_name_the_own_one_with_its_documents(stack: Stack, lease: Path) -> None:
    await brought_in(stack, lease)
    async with stack.client() as client:
        own = (await client.http.get("/api/spaces")).json()["spaces"][0]
    assert (own["name"], own["may_write"], own["is_own"]) == ("http.local", True, True)
    assert own["documents"] >= 1


async def test_a_search_finds_the_passage_without_a_model(stack: Stack, lease: Path) -> None:
    document = await brought_in(stack, lease)
    async with stack.client() as client:
        body = {"query": QUESTION, "documents": [document]}
        found = (await client.http.post("/api/search", json=body)).json()["hits"]
    assert PAGES[1] in found[0]["text"]
    assert found[0]["page"] == 2


async def test_what_is_erased_is_found_by_nobody(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "secret plan.txt"
    path.write_text("The goblins meet at the old mill on Thursday at nine.")
    document = await brought_in(stack, path)
    async with stack.client() as client:
        erased = await client.http.delete(f"/api/documents/{document}")
        assert erased.status_code in (200, 202)
        assert (await client.http.get(f"/api/documents/{document}")).status_code in (200, 404)
        hits = (await client.http.post("/api/search", json={"query": "Where do the goblins meet?"})).json()["hits"]
        asked = await client.ask("Where do the goblins meet?", documents=[document], style="quote")
    assert not [hit for hit in hits if hit["document"] == document]
    assert asked.status_code == 404


async def test_a_document_that_never_was_and_one_that_is_no_id_answer_alike(stack: Stack) -> None:
    async with stack.client() as client:
        never, no_id = [
            await client.http.get(f"/api/documents/{name}") for name in ("00000000-0000-4000-8000-000000000000", "x")
        ]
    assert (
        (never.status_code, never.json()["type"]) == (no_id.status_code, no_id.json()["type"]) == (404, "document-gone")
    )


def test_the_command_line_brings_in_lists_and_asks(stack: Stack, lease: Path) -> None:
    added = docqa(stack, "documents", "add", str(lease))
    assert added.returncode == 0, added.stderr
    assert "ready" in added.stdout
    assert "lease.pdf" in docqa(stack, "documents", "list").stdout
    asked = docqa(stack, "ask", QUESTION, "--document", str(lease), "--style", "quote")
    assert asked.returncode == 0, asked.stderr
    assert PAGES[1] in asked.stdout
    assert "[1] lease.pdf, page 2" in asked.stdout


async def test_a_direct_publisher_asks_on_what_was_shared_with_it_and_anothers_is_gone(
    stack: Stack, tmp_path: Path
) -> None:
    """By a document's id and by a space's name; what was not shared answers like what does not exist."""
    shared, private = tmp_path / "shared.txt", tmp_path / "private.txt"
    shared.write_text("The goblins pay 70 euros for the mill.")
    private.write_text("The trolls pay 90 euros for the bridge.")
    for arguments in (("create", "mills"), ("grant", "mills", "c1", "--publisher", "robots")):
        command = [sys.executable, "-m", "ops", "spaces", *arguments, "--data-dir", str(stack.folder / "data")]
        await asyncio.to_thread(subprocess.run, command, env=stack.environment, check=True, timeout=60)
    document, theirs = await brought_in(stack, shared, "mills"), await brought_in(stack, private)
    async with publishing("robots", await add(stack, "robots")) as robots:
        for named in ({"documents": [document]}, {"space": "mills"}):
            answer = await result_of(stack, robots, v=2, style="quote", query="What do the goblins pay?", **named)
            assert answer["status"] == "done", answer
            assert answer["citations"][0]["document"] == document
        not_its_own = [
            await result_of(stack, robots, v=2, style="quote", query="What do the trolls pay?", documents=[one])
            for one in (theirs, "00000000-0000-4000-8000-000000000000")
        ]
        spaces = [
            await result_of(stack, robots, v=2, style="quote", query="What do the trolls pay?", space=one)
            for one in ("http.local", "http.nobody")
        ]
    assert [answer["code"] for answer in (*not_its_own, *spaces)] == ["document-gone"] * 2 + ["space-gone"] * 2
    assert not_its_own[0]["detail"] == not_its_own[1]["detail"]
    assert spaces[0]["detail"].replace("local", "nobody") == spaces[1]["detail"]


async def result_of(stack: Stack, publisher: Publisher, **question: Any) -> dict[str, Any]:
    """Of a job that the publisher publishes with its own credentials: what it hears on the job's own subject."""
    job = publisher.job()
    live = await publisher.client.subscribe(f"docqa.results.{job.subject.removeprefix('docqa.jobs.')}")
    await publisher.client.jetstream(timeout=10).publish(job.subject, json.dumps(question).encode())
    message = await live.next_msg(timeout=60)
    await live.unsubscribe()
    found: dict[str, Any] = json.loads(message.data)
    return found
