"""How fast a PDF is read and its sentences are embedded, at rest and beside questions."""

import asyncio
import contextlib
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
_BESIDE_S: Final = 60.0
_SHORT_PAGES: Final = 40
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
    """Vectors of one-page documents, made within a minute while eight clients ask the model without a pause."""
    ids = list((await documents.bring_all_in(_short(seed))).values())
    for one in ids:
        await documents.settled(one)
    had = await documents.count_with_vectors(ids)
    answered = 0

    async def ask(number: int) -> None:
        nonlocal answered
        while True:
            await documents.ask(
                {
                    "query": f"{number}.{answered}: say it again?",
                    "context": next(texts.paragraphs(seed + number)),
                    "style": "write",
                    "max_tokens": 64,
                }
            )
            answered += 1

    asking = [asyncio.create_task(ask(number)) for number in range(_ASKERS)]
    began_s = time.monotonic()
    while (made := await documents.count_with_vectors(ids)) < len(ids) and time.monotonic() - began_s < _BESIDE_S:
        await asyncio.sleep(1)
    took_s = time.monotonic() - began_s
    for task in asking:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*asking, return_exceptions=True)
    sentences = (made - had) * _PARAGRAPHS_A_PAGE * _SENTENCES_A_PARAGRAPH
    return {"askers": _ASKERS, "answers_a_second": answered / took_s, "sentences_embedded_a_second": sentences / took_s}


def _short(seed: int) -> Iterator[tuple[str, bytes]]:
    for number in range(_SHORT_PAGES * 10):
        page = islice(texts.paragraphs(seed + 1000 + number), _PARAGRAPHS_A_PAGE)
        yield f"short-{number}.txt", "\n\n".join(page).encode()


def _sentences(seed: int) -> Iterator[str]:
    for paragraph in texts.paragraphs(seed):
        yield from paragraph.removesuffix(".").split(". ")
