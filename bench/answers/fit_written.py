"""Fits the support of written answers: on the articles of even number; the odd ones are to report on.

`python -m bench.answers.fit_written SQUAD11` puts the questions of a file to the bundled model (or `--model`), each
with its whole article and some with another one, and rewrites `written` in contract/evidence/coefficients.json: a
logistic regression of whether an answer is right. `--store FILE` keeps the answers, `--recorded FILE` fits on these.

Tried and dropped, since nothing was gained on the other half: the mean and the least log probability of the answer's
tokens, its length, whether it ended by itself, the rank of what it cites, and the share of its words that all cited
sentences hold.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import numpy as np

from bench.answers import asking, measures, measuring
from bench.answers.cases import Case, Read, Similarity
from bench.answers.datasets import Article, Question, read
from bench.answers.fit import logistic, store
from bench.answers.puts import put_to
from bench.answers.similarity import similarity_of
from contract.evidence import Features, cite, coefficients, features_of, support, with_answer
from contract.runtime.terminal import echo

KEYS: Final = ("held", "added", "exact", "margin")
_RANKED: Final = 8
_PENALTY: Final = 2e-3
_QUESTIONS: Final = 200


class Written(msgspec.Struct, frozen=True):
    """An answer that a model wrote, and the article that it was put to."""

    article: int
    question: str
    answer: str
    is_right: bool


class Row(msgspec.Struct, frozen=True):
    """What is known of a written answer."""

    values: tuple[float, ...]
    """In the order of `KEYS`."""
    is_right: bool
    is_held_out: bool
    stored: float
    """Its support by the coefficients in use."""


def rows_of(written: Iterable[Written], articles: Sequence[Article], similarity: Similarity) -> list[Row]:
    """The features of each answer, as the product computes them."""
    reads = [Read(article.text) for article in articles]
    found = []
    for one in written:
        case = Case(Question(one.question, ()), reads[one.article], similarity, one.article)
        features = _features(case, one.answer)
        held = support(features._replace(added=None))
        values = (held, features.added or 0.0, features.exact or 0.0, features.margin)
        found.append(Row(values, one.is_right, one.article % 2 == 1, support(features)))
    return found


def _features(case: Case, answer: str) -> Features:
    """Of an answer that was written from the best sentences."""
    source = case.read
    ranked = source.index.rank(case.question.text, case.cosines, _RANKED)
    best = [source.sentences[one.index] for one in ranked]
    places = [(one.start, one.end) for one in best]
    spans = [span[:2] for span in cite(answer, source.text, best)]
    features = features_of(source.index, case.question.text, ranked, case.cosines)
    return with_answer(features, case.question.text, answer, source.text, spans, places)


def fitted(rows: Sequence[Row]) -> dict[str, float]:
    """A weight for each of `KEYS`, and the constant."""
    x = np.array([row.values for row in rows])
    weights = logistic(x, np.array([float(row.is_right) for row in rows]), np.full(len(rows), 1 / len(rows)), _PENALTY)
    return {name: round(float(weight), 3) for name, weight in zip([*KEYS, "constant"], weights, strict=True)}


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """How well support orders answers: the area under the ROC of right against wrong, and the area of risk."""
    right = [row.is_right for row in rows]
    supports = [row.stored for row in rows]
    sides = [[value for value, mark in zip(supports, right, strict=True) if mark is side] for side in (True, False)]
    return {
        "answers": len(rows),
        "right": sum(right),
        "area": measures.roc_area(*sides),
        "risk_coverage_area": measures.risk_coverage_area(supports, right),
    }


async def _asked(articles: Sequence[Article], model: Path | None, count: int, seed: int) -> list[Written]:
    drawn = measuring.sampled(articles, count, seed)
    async with asking.system(model, "llama") as stack:
        put = [*put_to("article", drawn), *put_to("other_article", drawn)[:: len(articles) // 3]]
        answers = await stack.ask(put, "write")
    numbers = {article.text: number for number, article in enumerate(articles)}
    return [
        Written(
            numbers[one.texts[""]],
            one.question.text,
            one.answer,
            one.is_right and measures.contains(one.texts[""], one.question.references),
        )
        for one in answers
    ]


@click.command()
@click.argument("squad", type=click.Path(path_type=Path, exists=True))
@click.option("--model", type=click.Path(path_type=Path, exists=True))
@click.option("--questions", type=int, default=_QUESTIONS, show_default=True)
@click.option("--recorded", type=click.Path(path_type=Path, exists=True), help="Answers that were kept before.")
@click.option("--store", "kept", type=click.Path(path_type=Path), help="Keep the answers.")
@click.option("--embedder", default="auto", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--report-only", is_flag=True, help="Change no coefficients.")
def main(
    squad: Path, model: Path | None, questions: int, recorded: Path | None, kept: Path | None, embedder: str, seed: int,
    *, report_only: bool,
) -> None:  # fmt: skip
    """Fit on half of the articles of SQUAD, and report on the other half."""
    articles = read(squad)
    if recorded:
        written = [msgspec.json.decode(line, type=Written) for line in recorded.read_bytes().splitlines()]
    else:
        written = asyncio.run(_asked(articles, model, questions, seed))
    if kept:
        kept.write_bytes(b"\n".join(map(msgspec.json.encode, written)))
    similarity = similarity_of(embedder, threads=2)
    rows = rows_of(written, articles, similarity)
    if not report_only:
        weights = fitted([row for row in rows if not row.is_held_out])
        store({**coefficients.stored(), "written": weights})
        rows = rows_of(written, articles, similarity)
    halves = {
        name: [row for row in rows if row.is_held_out is side] for name, side in (("fitted", False), ("held out", True))
    }
    echo(json.dumps({name: report(half) for name, half in halves.items() if half}, indent=1))


if __name__ == "__main__":
    main()
