"""Erased is gone: after questions about a document, no file of the data folder holds a word of it."""

import contextlib
import sqlite3
from pathlib import Path

import httpx
import pytest

from tests.acceptance.test_documents import brought_in
from tests.support.library_side import files_that_hold
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

WORDS = (b"quinquereme", b"zymurgist", b"xylophonist", b"sesquipedalian")
TEXT = """The quinquereme of the goblins

The zymurgist keeps the key of the mill under the third stone. Whoever wants the key asks the xylophonist first.
The rent of the mill is 950 euros a month. A sesquipedalian notice hangs on its door.
"""
QUESTION = "Where is the key of the mill kept?"


async def asked(stack: Stack, document: str) -> list[str]:
    """Questions of every style, of which each answer holds the document's words; the ids of their jobs."""
    async with stack.client() as client:
        answers = [await client.ask(QUESTION, documents=[document], style=style) for style in ("quote", "write")]
        answers.append(await client.ask("Summarize the document.", documents=[document]))
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.json()["documents"] == [document]
    assert all("zymurgist" in answer.text for answer in answers[:2])
    return [answer.json()["id"] for answer in answers]


async def erase(client: httpx.AsyncClient, document: str, within_s: float = 90) -> None:
    async def is_gone() -> bool:
        response = await client.delete(f"/api/documents/{document}")
        assert response.status_code in (200, 202), response.text
        return response.status_code == 200

    await eventually(is_gone, "the document is erased", within_s)


def left(folder: Path) -> list[str]:
    return [f"{file.relative_to(folder)}: {word.decode()}" for file, word in files_that_hold(folder, list(WORDS))]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mill.txt"
    path.write_text(TEXT)
    return path


async def test_no_file_holds_a_word_of_an_erased_document(start: Start, file: Path) -> None:
    """With a reader of the store open, and a worker killed, while it is erased."""
    stack = start(slots=2, embedder=True)
    data_dir = stack.ready().data_dir
    document = await brought_in(stack, file)
    jobs = await asked(stack, document)
    assert {line.rpartition(": ")[2].encode() for line in left(data_dir)} == set(WORDS)

    store = next(data_dir.rglob("store.db"))
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM documents").fetchone()
        async with stack.client() as client:
            first = await client.http.delete(f"/api/documents/{document}")
            assert first.status_code == 202
            await stack.kill("worker")
            # Nobody reads it from now on, and it is not called erased while a reader keeps the log.
            assert (await client.http.get(f"/api/documents/{document}/text")).status_code == 404
            assert (await client.http.delete(f"/api/documents/{document}")).status_code == 202
    async with stack.client() as client:
        await erase(client.http, document)
        assert not left(data_dir)
        for job in jobs:
            result = (await client.http.get(f"/api/jobs/{job}")).json()
            assert (result["status"], result["code"]) == ("failed", "erased")
        again = await client.ask(QUESTION, documents=[document], style="quote")
        assert again.status_code == 404
    assert not left(data_dir)
