"""`docqa bench answers`: how good the answers to a data set's questions are."""

import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from bench.answers import datasets, measuring
from bench.answers.similarity import similarity_of
from bench.cli import Shared, execute, shared_options
from bench.commands.models import measured_model
from bench.harness import machine
from bench.harness.promises import Promise

_QUICK_QUESTIONS: Final = 60
_QUICK_MODEL_QUESTIONS: Final = 6
_CONTRACTS: Final = 400
_CONTRACT_QUESTIONS: Final = 200


@click.command("answers")
@click.option("--questions", type=click.IntRange(1), default=100_000, help="At most so many, drawn by --seed.")
@click.option(
    "--embedder",
    envvar="DOCQA_EMBEDDING_MODEL",
    default="auto",
    show_default=True,
    help="What compares beside words: `auto`, a GGUF file, or `off` for words alone.",
)
@click.option(
    "--half",
    type=click.Choice(["all", "held-out", "fitted"]),
    default="all",
    show_default=True,
    help="Articles of odd numbers were held out when the coefficients were fitted, if this file was among those.",
)
@click.option("--style", type=click.Choice(["write", "quote", "auto"]), help="Ask a model, by a stack of its own.")
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="With --style. [default: the bundled one]",
)
@shared_options
def command(shared: Shared, questions: int, embedder: str, half: str, style: str | None, model: Path | None) -> None:
    """How good answers are, by quoting: right, words, recall, refusals. With --style, those of a language model.

    --dataset takes SQuAD 1.1 and 2.0 (.json) and ClapNQ (.jsonl); without it the project's own questions are put, which
    share no word with the sentence that answers, and contracts from one template.
    """
    if shared.target:
        raise click.UsageError("No running stack is asked: leave --target out.")
    if style or model:
        count = min(questions, _QUICK_MODEL_QUESTIONS if shared.quick else questions)
        return execute(shared, measured_model(shared, model, style or "write", count, half))
    execute(shared, _measure(shared, min(questions, _QUICK_QUESTIONS) if shared.quick else questions, embedder, half))


async def _measure(shared: Shared, questions: int, embedder: str, half: str) -> dict[str, Any]:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    articles = measuring.half(datasets.read(shared.dataset or datasets.OTHER_WORDS), half)
    similarity = similarity_of(embedder, threads=2)
    found = measuring.measured(measuring.sampled(articles, questions, shared.seed), similarity)
    if shared.dataset is None:
        _add_own(found, shared, half, similarity)
    return {
        "benchmark": f"answers-{shared.dataset.stem}" if shared.dataset else "answers",
        "measured": began,
        "promises": msgspec.to_builtins(_verdict(found)),
        "figures": {
            "answers": {
                "dataset": shared.dataset.name if shared.dataset else "own questions in other words",
                "half": half,
                "embedder": "words only" if embedder == "off" else embedder,
                **found,
            }
        },
        "machine": machine.describe("numpy"),
    }


def _add_own(found: dict[str, Any], shared: Shared, half: str, similarity: Any) -> None:
    """Questions without an answer, and the contracts: only the project's own set has them."""
    unanswered = measuring.measured_unanswered(
        measuring.half(datasets.read(datasets.OTHER_WORDS), half),
        measuring.half(datasets.without_answer(), half),
        similarity,
    )
    asked = _QUICK_QUESTIONS if shared.quick else _CONTRACT_QUESTIONS
    alike = measuring.measured_contracts(similarity, shared.seed, _CONTRACTS, asked)
    found["scopes"] |= alike["scopes"]
    found["refusals"] |= {"no_answer": unanswered, **alike["refusals"]}


def _verdict(found: dict[str, Any]) -> list[Promise]:
    shares = [figures["citations_in_text"] for figures in found["scopes"].values() if figures["questions"]]
    count = sum(share["of"] for share in shares)
    held = all(share["share"] == 1.0 for share in shares)
    words = f"{count} answers." if held else "Some are not."
    return [Promise("Every citation is in the document, code point for code point", held, words)]
