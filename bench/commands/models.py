"""`docqa bench models`: what models' own words are worth beside quotes, and how many answers a second they give."""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from bench.answers import asking, datasets, measuring
from bench.answers.asking import Asked, System
from bench.answers.choosing import Verdict, looks, verdict
from bench.answers.puts import REFUSED, SCOPES, Put, brought_in, put_to
from bench.answers.written import figures, refusals
from bench.cli import Shared, execute, shared_options
from bench.documents.library import documents_of
from bench.harness import machine
from bench.harness.promises import Promise
from bench.peers.system import bundled_model
from contract import answer_choice
from contract.answer_choice import EVIDENCE_TOKENS, AnswerChoice
from contract.settings import default_model_cache

_QUICK_QUESTIONS: Final = 12
_QUOTES: Final = "any: the sentences themselves"
_READINGS: Final = ("200", str(EVIDENCE_TOKENS), "whole")
"""What is tried: so many tokens of evidence, or the whole document."""
_TRIAL_QUESTIONS: Final = 60
"""For each of these; the style is decided on other questions."""


@click.command("models")
@click.argument("models", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--questions", type=click.IntRange(1), default=400, show_default=True, help="At most so many.")
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

    Keeps for each what `style: auto` stands for with it, its words or the sentences, whichever is right more often, and
    how much of a document it reads best. Asks until the difference is certain, at most --questions.
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
    tried, put = _parted(put_to(read, datasets.read(dataset)), count, shared.seed, is_quick=shared.quick)
    rows: list[dict[str, Any]] = []
    for model in models:
        reading = await _best_reading(model, engine, tried)
        async with asking.system(model, engine, DOCQA_READ=reading) as stack:
            began_s = time.monotonic()
            quoted = await stack.ask(put, "quote")
            if not rows:
                rows.append({"model": _QUOTES, "style": "quote", **figures(quoted, time.monotonic() - began_s)})
            began_s = time.monotonic()
            written, found = await _until_decided(stack, put, quoted)
            row = {"model": model.name, "style": "write", **figures(written, time.monotonic() - began_s)}
        choice = _choice(model, written, quoted[: len(written)], found, reading, dataset.name, began)
        rows.append({**row, "auto": choice.style, "reads": reading, "difference": found._asdict()})
        if cache:
            answer_choice.keep(model, cache, choice)
    return {
        "benchmark": "models",
        "measured": began,
        "promises": msgspec.to_builtins([_exact(rows)]),
        "figures": {"models": {"dataset": dataset.name, "read": read, "rows": rows}},
        "machine": machine.describe("llama-cpp-python"),
    }


def _parted(put: list[Put], count: int, seed: int, *, is_quick: bool) -> tuple[list[Put], list[Put]]:
    """The questions that readings are tried on, and at most `count` others, that the style is decided on."""
    random.Random(seed).shuffle(put)
    trial = 0 if is_quick else min(_TRIAL_QUESTIONS, len(put) // 3, count)
    return put[:trial], put[trial : trial + count]


async def _best_reading(model: Path, engine: str, tried: Sequence[Put]) -> str:
    """What the model reads when it is right most often; of equals the one that reads least."""
    right: dict[str, int] = {}
    if not tried:
        return str(EVIDENCE_TOKENS)
    for reading in _READINGS:
        async with asking.system(model, engine, DOCQA_READ=reading) as stack:
            right[reading] = sum(one.is_right for one in await stack.ask(tried, "write"))
    return max(right, key=lambda reading: right[reading])


async def _until_decided(stack: System, put: Sequence[Put], quoted: Sequence[Asked]) -> tuple[list[Asked], Verdict]:
    written: list[Asked] = []
    found = verdict([], [])
    for part in looks(len(put)):
        written += await stack.ask(put[part], "write")
        found = verdict(asking.right_of(written), asking.right_of(quoted[: len(written)]))
        if found.is_decided:
            break
    return written, found


async def measured_model(
    shared: Shared, model: Path | None, style: str, count: int, half: str, engine: str = "llama"
) -> dict[str, Any]:
    """One model in one style, on all that a question can be put to; nothing is kept."""
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    dataset, path = shared.dataset or datasets.OTHER_WORDS, model or bundled_model()
    articles = measuring.sampled(measuring.half(datasets.read(dataset), half), count, shared.seed)
    rows, marked = [], {}
    async with asking.system(path, engine) as stack, documents_of(stack.uds) as documents:
        library = await brought_in(documents, articles)
        found: dict[str, list[Asked]] = {}
        for scope in (*SCOPES, *REFUSED):
            began_s = time.monotonic()
            if put := put_to(scope, articles, library):
                found[scope] = await stack.ask(put, style)
                elapsed_s = time.monotonic() - began_s
                if scope in SCOPES:
                    rows.append({"model": path.name, "style": style, "read": scope, **figures(found[scope], elapsed_s)})
    for kind, beside in zip(REFUSED, ("article", "passage"), strict=True):
        if found.get(kind) and found.get(beside):
            marked[kind] = refusals(found[beside], found[kind])
    return {
        "benchmark": f"answers-{style}-{dataset.stem}",
        "measured": began,
        "promises": msgspec.to_builtins([_exact(rows)]),
        "figures": {"models": {"dataset": dataset.name, "read": "each", "rows": rows, "refusals": marked}},
        "machine": machine.describe("llama-cpp-python"),
    }


def _choice(
    model: Path, written: Sequence[Asked], quoted: Sequence[Asked], found: Verdict, reading: str, dataset: str, now: str
) -> AnswerChoice:
    return AnswerChoice(
        model=model.name,
        style=found.style,
        written_right=round(sum(asking.right_of(written)) / len(written), 4),
        quoted_right=round(sum(asking.right_of(quoted)) / len(quoted), 4),
        questions=len(written),
        dataset=dataset,
        measured_at=now,
        is_decided=found.is_decided,
        evidence_tokens=int(reading) if reading.isdecimal() else None,
    )


def _exact(rows: list[dict[str, Any]]) -> Promise:
    held = all(row["citations_in_text"] == 1.0 for row in rows)
    words = f"{sum(row['questions'] for row in rows)} answers." if held else "Some are not."
    return Promise("Every citation is in the document, code point for code point", held, words)
