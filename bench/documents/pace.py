"""How fast a PDF is read and its sentences are embedded, at rest and beside questions."""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice
from typing import Final

from fpdf import FPDF

from bench.documents import texts
from bench.documents.library import Documents

_PARAGRAPHS_A_PAGE: Final = 5
_SENTENCES_A_PARAGRAPH: Final = 4
_ASKERS: Final = 8
_PAGES_BESIDE: Final = 30
_SENTENCES_SHOWN: Final = 1000


def pdf(seed: int, pages: int) -> bytes:
    """A text PDF with so many pages of invented sentences."""
    file = FPDF()
    file.set_font("Helvetica", size=10)
    lines = texts.paragraphs(seed)
    for _ in range(pages):
        file.add_page()
        for paragraph in islice(lines, _PARAGRAPHS_A_PAGE):
            file.multi_cell(0, 5, paragraph, new_x="LMARGIN", new_y="NEXT")
            file.ln(5)
    return bytes(file.output())


async def reading(documents: Documents, seed: int, pages: int) -> dict[str, float]:
    """From the upload to searchable by words, then to its last vector."""
    content = await asyncio.to_thread(pdf, seed, pages)
    began_s = time.monotonic()
    name = await documents.bring_in(f"long-{seed}.pdf", content)
    await documents.settled(name)
    ready_s = time.monotonic() - began_s
    await documents.with_vectors(name)
    vectors_s = time.monotonic() - began_s
    sentences = pages * _PARAGRAPHS_A_PAGE * _SENTENCES_A_PARAGRAPH
    shown = list(islice(_sentences(seed), _SENTENCES_SHOWN))
    return {
        "pages": pages,
        "pages_a_second": pages / ready_s,
        "sentences": sentences,
        "words_a_sentence": sum(len(one.split()) for one in shown) / len(shown),
        "sentences_embedded_a_second": sentences / max(vectors_s - ready_s, 1e-9),
    }


async def beside_questions(documents: Documents, seed: int) -> dict[str, float]:
    """A short PDF, while eight clients ask the model without a pause."""
    answered = 0

    async def ask(number: int) -> None:
        nonlocal answered
        lines = texts.paragraphs(seed + number)
        while True:
            question = {
                "query": "What is said of the rent?",
                "context": next(lines),
                "style": "write",
                "max_tokens": 64,
            }
            await documents.ask(question)
            answered += 1

    asking = [asyncio.create_task(ask(number)) for number in range(_ASKERS)]
    began_s = time.monotonic()
    try:
        found = await reading(documents, seed + _ASKERS, _PAGES_BESIDE)
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return {**found, "askers": _ASKERS, "answers_a_second": answered / (time.monotonic() - began_s)}


def _sentences(seed: int) -> Iterator[str]:
    for paragraph in texts.paragraphs(seed):
        yield from paragraph.removesuffix(".").split(". ")
