"""A person with files: brought in, found, asked about with the page of the answer, erased."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fpdf import FPDF

from tests.acceptance.test_watch import docqa
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


async def brought_in(stack: Stack, path: Path) -> str:
    """The id of the file, once it is ready."""
    async with stack.client() as client:
        response = await client.http.post("/api/documents", files={"file": (path.name, path.read_bytes())})
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
