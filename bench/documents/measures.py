"""What is measured of a library: paces, recall, search times, contracts from one template, kills, memory."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import psutil
from fpdf import FPDF

from bench.answers.contracts import contracts
from bench.answers.datasets import Article
from bench.documents.library import Documents
from bench.reading.corpus import Paragraph, document
from contract.evidence import split_sentences

_LINES_A_PAGE: Final = 40
_SAMPLES_EVERY_S: Final = 0.2
_QUERIES: Final = 200

Pids = Callable[[], Mapping[str, int]]


def pdf(seed: int, pages: int) -> bytes:
    """A text PDF with so many pages of invented sentences."""
    file = FPDF()
    file.set_font("Helvetica", size=10)
    lines = _paragraphs(seed, pages * _LINES_A_PAGE // 4)
    for _ in range(pages):
        file.add_page()
        for _ in range(_LINES_A_PAGE // 8):
            file.multi_cell(0, 5, next(lines), new_x="LMARGIN", new_y="NEXT")
    return bytes(file.output())


def _paragraphs(seed: int, count: int) -> Iterator[str]:
    while True:
        for block in document(seed, max(count, 8), tables=False).blocks:
            if isinstance(block, Paragraph):
                yield block.text
        seed += 1


async def pages_a_second(documents: Documents, seed: int, pages: int) -> dict[str, float]:
    """From the upload to searchable by words, then to its last vector."""
    content = await asyncio.to_thread(pdf, seed, pages)
    began_s = time.monotonic()
    name = await documents.bring_in(f"long-{seed}.pdf", content)
    status = await documents.settled(name)
    ready_s = time.monotonic() - began_s
    await documents.with_vectors(name)
    vectors_s = time.monotonic() - began_s
    sentences = len(split_sentences(await documents.text(name)))
    share = len(await documents.text(name)) / max(status["characters"], 1)
    return {
        "pages": pages,
        "pages_a_second": pages / ready_s,
        "sentences_embedded_a_second": sentences / max(share, 1e-9) / max(vectors_s - ready_s, 1e-9),
    }


async def recall(documents: Documents, articles: list[Article]) -> dict[str, float]:
    """How often a question's own paragraph is the first document, or among the first five."""
    files = {
        f"p{at}-{on}.txt": passage.text.encode()
        for at, article in enumerate(articles)
        for on, passage in enumerate(article.passages)
    }
    ids = await documents.bring_all_in(files.items())
    await documents.all_settled(ids.values())
    for one in ids.values():
        await documents.with_vectors(one)
    return await recall_of(documents, articles, ids)


async def recall_of(documents: Documents, articles: list[Article], ids: Mapping[str, str]) -> dict[str, float]:
    """The same for paragraphs that are there already."""
    first = five = asked = 0
    for at, article in enumerate(articles):
        for on, passage in enumerate(article.passages):
            for question in (one for one in passage.questions if one.references):
                hits, _ = await documents.search(question.text, limit=20)
                found = list(dict.fromkeys(hit["document"] for hit in hits))
                asked += 1
                first += found[:1] == [ids[f"p{at}-{on}.txt"]]
                five += ids[f"p{at}-{on}.txt"] in found[:5]
    return {"questions": asked, "recall_at_1": first / max(asked, 1), "recall_at_5": five / max(asked, 1)}


async def contracts_found(documents: Documents, seed: int, count: int) -> dict[str, float]:
    """How often the contract whose party a question names comes first, of contracts that differ in little else."""
    made = contracts(seed, count)
    ids = await documents.bring_all_in((f"{article.title}.txt", article.text.encode()) for article in made)
    await documents.all_settled(ids.values())
    right = asked = 0
    for article in made:
        for question in article.passages[0].questions:
            hits, _ = await documents.search(question.text)
            asked += 1
            right += bool(hits) and hits[0]["document"] == ids[f"{article.title}.txt"]
    return {"contracts": count, "questions": asked, "right_document_first": right / max(asked, 1)}


async def search_times(documents: Documents, seed: int, files: int) -> dict[str, float]:
    """Of queries with words of the texts, among so many generated files."""
    made = [(f"bulk-{number}.txt", _bulk(seed + number).encode()) for number in range(files)]
    began_s = time.monotonic()
    ids = await documents.bring_all_in(made)
    await documents.all_settled(ids.values())
    read_s = time.monotonic() - began_s
    drawn = random.Random(seed)
    words = [drawn.choice(made)[1].decode().split() for _ in range(_QUERIES)]
    took_s = sorted([(await documents.search(" ".join(drawn.sample(line, 6))))[1] for line in words])
    characters = sum(len(content) for _, content in made)
    return {
        "files": files,
        "characters": characters,
        "files_a_second": files / read_s,
        "search_p50_ms": took_s[len(took_s) // 2] * 1000,
        "search_p95_ms": took_s[int(len(took_s) * 0.95)] * 1000,
    }


def _bulk(seed: int) -> str:
    return "\n\n".join(line for line, _ in zip(_paragraphs(seed, 64), range(64), strict=False))


async def under_kills(documents: Documents, pids: Pids, seed: int, count: int, kills: int) -> dict[str, Any]:
    """Documents that come in while parts are killed: each ends as one version with all of its text."""
    drawn = random.Random(seed)
    files = {f"killed-{number}.txt": f"Document {number}: {_bulk(seed + number)[:4000]}" for number in range(count)}
    before = set(await documents.names())
    done = 0

    async def kill() -> None:
        nonlocal done
        while done < kills:
            await asyncio.sleep(drawn.uniform(0.2, 0.8))
            with contextlib.suppress(ProcessLookupError, KeyError):
                part = drawn.choice(("library", "library", "nats", "ingress", "worker"))
                os.kill(pids()[part], signal.SIGKILL)
                done += 1

    killing = asyncio.create_task(kill())
    ids = await documents.bring_all_in((name, text.encode()) for name, text in files.items())
    await killing
    states = await documents.all_settled(ids.values())
    names = [name for name in await documents.names() if name not in before]
    half = [
        name
        for name, one in ids.items()
        if " ".join((await documents.text(one)).split()) != " ".join(files[name].split())
    ]
    return {
        "documents": count,
        "kills": done,
        "lost": count - sum(state["state"] == "ready" for state in states),
        "twice": len(names) - len(set(names)),
        "half": len(half),
    }


class Memory:
    """The library's memory with that of its readers, sampled."""

    def __init__(self, pids: Pids) -> None:
        self._pids = pids

    def now_mib(self) -> float:
        with contextlib.suppress(psutil.Error, KeyError):
            process = psutil.Process(self._pids()["library"])
            family = [process, *process.children(recursive=True)]
            return sum(_uss(one) for one in family) / 2**20
        return 0.0

    async def most_mib(self, task: "asyncio.Task[Any]") -> float:
        """The most while a task runs."""
        most = 0.0
        while not task.done():
            most = max(most, await asyncio.to_thread(self.now_mib))
            await asyncio.sleep(_SAMPLES_EVERY_S)
        return most


def _uss(process: psutil.Process) -> int:
    """What is its own alone: what processes share counts once, and not here."""
    with contextlib.suppress(psutil.Error):
        return int(process.memory_full_info().uss)
    return 0
