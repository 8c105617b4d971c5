"""`docqa bench models`: what models' own words are worth beside quotes, and how many answers a second they give."""

import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from bench.answers import asking, datasets, measuring
from bench.cli import Shared, execute, shared_options
from bench.harness import machine
from bench.harness.promises import Promise
from bench.peers.system import bundled_model
from contract import answer_choice
from contract.answer_choice import AnswerChoice
from contract.settings import default_model_cache

_QUICK_QUESTIONS: Final = 12
_STYLES: Final = ("write", "quote")
_QUOTES: Final = "any: the sentences themselves"


@click.command("models")
@click.argument("models", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--questions", type=click.IntRange(1), default=100, show_default=True, help="So many, drawn by --seed.")
@click.option(
    "--read",
    type=click.Choice(["article", "passage"]),
    default="article",
    show_default=True,
    help="What a question is put to: its whole article, or its own passage.",
)
@click.option("--keep/--no-keep", default=True, show_default=True, help="Keep what `auto` stands for with each model.")
@click.option("--model-cache", type=click.Path(path_type=Path), envvar="DOCQA_MODEL_CACHE", help="Where it is kept.")
@click.option("--engine", type=click.Choice(["llama", "echo"]), default="llama", hidden=True)
@shared_options
def command(
    shared: Shared,
    models: tuple[Path, ...],
    questions: int,
    read: str,
    keep: bool,
    model_cache: Path | None,
    engine: str,
) -> None:
    """Quality of MODELS against their pace on this machine (default: the bundled model), beside answers by quoting.

    Keeps for each what `style: auto` stands for with it: its words, or the sentences where these are right more often.
    """
    count = min(questions, _QUICK_QUESTIONS) if shared.quick else questions
    chosen = [path.resolve() for path in models] or [bundled_model()]
    cache = (model_cache or default_model_cache()) if keep and engine == "llama" else None
    execute(shared, _measure(shared, chosen, count, read, cache, engine))


async def _measure(
    shared: Shared, models: list[Path], count: int, read: str, cache: Path | None, engine: str
) -> dict[str, Any]:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    dataset = shared.dataset or datasets.OTHER_WORDS
    articles = measuring.sampled(datasets.read(dataset), count, shared.seed)
    put = asking.pairs(articles, whole=read == "article")
    quoted = await asking.asked(models[0], "quote", put, engine)
    rows = [{"model": _QUOTES, "style": "quote", **quoted}]
    for model in models:
        written = await asking.asked(model, "write", put, engine)
        choice = _choice(model, written, quoted, dataset.name, began)
        rows.append({"model": model.name, "style": "write", **written, "auto": choice.style})
        if cache:
            answer_choice.keep(model, cache, choice)
    return {
        "benchmark": "models",
        "measured": began,
        "promises": msgspec.to_builtins([_exact(rows)]),
        "figures": {"models": {"dataset": dataset.name, "read": read, "rows": rows}},
        "machine": machine.describe("llama-cpp-python"),
    }


async def measured_model(shared: Shared, model: Path | None, style: str, count: int, half: str) -> dict[str, Any]:
    """One model in one style, on own passages and on whole articles; nothing is kept."""
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    dataset, path = shared.dataset or datasets.OTHER_WORDS, model or bundled_model()
    articles = measuring.sampled(measuring.half(datasets.read(dataset), half), count, shared.seed)
    rows = []
    for scope in ("passage", "article"):
        found = await asking.asked(path, style, asking.pairs(articles, whole=scope == "article"), "llama")
        rows.append({"model": path.name, "style": style, "read": scope, **found})
    return {
        "benchmark": f"answers-{style}-{dataset.stem}",
        "measured": began,
        "promises": msgspec.to_builtins([_exact(rows)]),
        "figures": {"models": {"dataset": dataset.name, "read": "both", "rows": rows}},
        "machine": machine.describe("llama-cpp-python"),
    }


def _choice(model: Path, written: dict[str, Any], quoted: dict[str, Any], dataset: str, began: str) -> AnswerChoice:
    by_words, by_sentences = written["right"]["share"], quoted["right"]["share"]
    return AnswerChoice(
        model=model.name,
        style="write" if by_words > by_sentences else "quote",
        written_right=by_words,
        quoted_right=by_sentences,
        questions=written["questions"],
        dataset=dataset,
        measured_at=began,
    )


def _exact(rows: list[dict[str, Any]]) -> Promise:
    held = all(row["citations_in_text"] == 1.0 for row in rows)
    words = f"{sum(row['questions'] for row in rows)} answers." if held else "Some are not."
    return Promise("Every citation is in the document, code point for code point", held, words)
