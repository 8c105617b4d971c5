"""`docqa bench documents`: how fast documents are read and found, how often the right one, and what kills cost."""

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from bench.answers import datasets
from bench.cli import Shared, execute, shared_options
from bench.harness import machine
from bench.harness.promises import Promise
from bench.targets.stack import Stack, StackOptions, running

PAGES_A_SECOND: Final = 60
SENTENCES_A_SECOND: Final = 350
SEARCH_MS: Final = 100
RECALL_AT_5: Final = 0.96
RIGHT_CONTRACT: Final = 0.95
REST_MIB: Final = 250
READING_MIB: Final = 600
_REST_S: Final = 3.0


@click.command("documents")
@click.option(
    "--files", type=click.IntRange(1), default=400, show_default=True, help="Generated files to search among."
)
@click.option("--pages", type=click.IntRange(1), default=500, show_default=True, help="Of the PDF whose pace is taken.")
@click.option("--contracts", type=click.IntRange(1), default=400, show_default=True, help="From one template.")
@click.option("--kills", type=click.IntRange(0), default=50, show_default=True, help="While 200 documents come in.")
@shared_options
def command(shared: Shared, files: int, pages: int, contracts: int, kills: int) -> None:
    """How fast documents are read and found, how often the right one is, and what kills cost.

    With --dataset (SQuAD's format): how often a question's own paragraph is found, alone and among all the others.
    """
    if shared.target:
        raise click.UsageError("This benchmark kills parts of its own stack: leave out --target.")
    sizes = (20, 40, 20, 5) if shared.quick else (files, pages, contracts, kills)
    execute(shared, _measure(shared, *sizes))


async def _measure(shared: Shared, files: int, pages: int, contracts: int, kills: int) -> dict[str, Any]:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    environment = {**shared.environment(), "DOCQA_LIBRARY_QUEUE": "500"}
    async with running(StackOptions(delays_s=(0.0,), environment=environment)) as stack:
        figures = await _figures(shared, stack, files, pages, contracts, kills)
    return {
        "benchmark": "documents",
        "measured": began,
        "promises": msgspec.to_builtins(_verdict(figures)),
        "figures": figures,
        "machine": machine.describe("pypdfium2", "apsw", "onnxruntime", "numpy"),
    }


async def _figures(shared: Shared, stack: Stack, files: int, pages: int, contracts: int, kills: int) -> dict[str, Any]:
    # Imported here: what makes the files comes with the packages for development.
    from bench.documents import measures
    from bench.documents.library import documents_of

    memory = measures.Memory(stack.pids)
    figures: dict[str, Any] = {}
    async with documents_of(stack.uds) as documents:
        await documents.settled(await documents.bring_in("first.txt", b"The embedder is loaded by now."))
        await asyncio.sleep(_REST_S)
        figures["memory_at_rest_mib"] = memory.now_mib()
        reading = asyncio.create_task(measures.pages_a_second(documents, shared.seed, pages))
        figures["memory_while_reading_mib"] = await memory.most_mib(reading)
        figures["reading"] = await reading
        articles = _articles(shared.dataset, shared.quick)
        figures["recall_alone"] = await measures.recall(documents, articles) if articles else None
        figures["contracts"] = await measures.contracts_found(documents, shared.seed, contracts)
        figures["search"] = await measures.search_times(documents, shared.seed, files)
        figures["recall_among_all"] = await measures.recall(documents, articles) if articles else None
        if kills:
            count = 20 if shared.quick else 200
            figures["kills"] = await measures.under_kills(documents, stack.pids, shared.seed, count, kills)
    return figures


def _articles(dataset: Path | None, quick: bool) -> list[datasets.Article]:
    found = datasets.read(dataset) if dataset else []
    return found[:2] if quick else found


def _verdict(figures: dict[str, Any]) -> list[Promise]:
    reading, search = figures["reading"], figures["search"]
    verdict = [
        _bar("Pages a second", reading["pages_a_second"], PAGES_A_SECOND, "from upload to searchable by words"),
        _bar("Sentences embedded a second", reading["sentences_embedded_a_second"], SENTENCES_A_SECOND, ""),
        _most("Search", search["search_p95_ms"], SEARCH_MS, f"ms (p95) among {search['files']} files"),
        _most("Memory at rest", figures["memory_at_rest_mib"], REST_MIB, "MiB"),
        _most("Memory while reading", figures["memory_while_reading_mib"], READING_MIB, "MiB"),
        _bar("The right contract", figures["contracts"]["right_document_first"], RIGHT_CONTRACT, "first"),
    ]
    if recall := figures["recall_alone"]:
        verdict.append(_bar("Recall at 5", recall["recall_at_5"], RECALL_AT_5, f"of {recall['questions']} questions"))
    if killed := figures.get("kills"):
        bad = {name: killed[name] for name in ("lost", "twice", "half") if killed[name]}
        words = f"{killed['documents']} documents under {killed['kills']} kills: {bad or 'each is there once, whole'}."
        verdict.append(Promise("Nothing is lost, twice or half", not bad, words))
    return verdict


def _bar(name: str, found: float, wanted: float, words: str) -> Promise:
    return Promise(name, found >= wanted, f"{found:.2f} {words} (at least {wanted:g})", is_bar=True)


def _most(name: str, found: float, wanted: float, words: str) -> Promise:
    return Promise(name, found <= wanted, f"{found:.1f} {words} (at most {wanted:g})", is_bar=True)
