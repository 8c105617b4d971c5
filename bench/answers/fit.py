"""Fits the coefficients of ranking, quotes and support: on the articles of even number; the odd ones are to report on.

`python -m bench.answers.fit SQUAD11 SQUAD20 CLAPNQ` rewrites contract/evidence/coefficients.json. The ranking is a
softmax over a question's sentences, fitted by maximum likelihood (ListNet's top-one loss, Cao et al. 2007, with Adam);
support is a logistic regression, fitted by Newton's method. Both are kept small by a penalty on large weights.
"""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np
import numpy.typing as npt

from bench.answers import cases, measuring
from bench.answers.cases import Case, Similarity
from bench.answers.contracts import contracts
from bench.answers.datasets import OTHER_WORDS, Article, read, without_answer
from bench.answers.similarity import similarity_of
from contract.evidence import coefficients
from contract.evidence.quote import quote
from contract.evidence.ranking import FEATURES
from contract.evidence.support import Features, features_of, support
from contract.runtime.files import write_atomically

TARGET: Final = Path(coefficients.__file__).with_name("coefficients.json")
SAMPLE: Final = 400
"""Questions of one kind at most."""
MOST_ASKED: Final = 1_000
"""Of a data set, before kinds are told apart: each costs two vectors."""
_STEPS: Final = 400
_PENALTY: Final = 2e-3
_SUPPORT_PENALTY: Final = 1e-3
_EVIDENCE: Final = 9
_SEED: Final = 1
_CONTRACTS: Final = 60
"""Another seed than the one that is measured."""
_APART: Final = 0.01
_NO_MARGIN: Final = 1_000.0
_MARGINS: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, _NO_MARGIN)
_AS_GOOD: Final = 0.99
_BY_HAND: Final = {"above": 2.0, "is_heading": -4.0, "document": 3.0}
"""The data sets have next to no headings and no look-alikes, spaces of documents have many: a heading lends its words
and is no answer; of sentences that are the same in each contract that one counts whose contract holds the rest."""
_GROUPS: Final = (1.0, 1.0, 1.2, 0.6, 0.8, 0.1)
"""SQuAD 1.1 and 2.0, the own questions, ClapNQ, all articles at once, the contracts: look-alikes are a special case."""
Numbers = npt.NDArray[np.float64]


class Sets(NamedTuple):
    """What is fitted on."""

    squad: list[Article]
    misleading: list[Article]
    clapnq: list[Article]
    own: list[Article]
    own_unanswered: list[Article]


def fit_ranking(groups: Sequence[Sequence[Case]], *, with_cosines: bool) -> dict[str, float]:
    """A weight for each feature; a group of questions weighs what `_GROUPS` says, however many they are."""
    rows, right, weights = [], [], []
    for group, weight in zip(groups, _GROUPS, strict=True):
        for case in group:
            x, y = _rows(case, with_cosines=with_cosines)
            if y.any() and not y.all():
                rows.append(x)
                right.append(y)
                weights.append(weight / len(group))
    fitted = _softmax(rows, right, np.array(weights))
    return {name: round(float(weight), 3) for name, weight in zip(FEATURES, fitted, strict=True)}


def _rows(case: Case, *, with_cosines: bool) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    index, cosines = case.read.index, case.cosines if with_cosines else None
    wanted = index.wanted(case.question.text)
    found = index.features(wanted, index.candidates(wanted, cosines), cosines)
    values = np.array([row for _, row in found], dtype=float).reshape(len(found), len(FEATURES))
    return values, np.array([at in case.right for at, _ in found], dtype=bool)


def _softmax(rows: Sequence[Numbers], right: Sequence[npt.NDArray[np.bool_]], weights: Numbers) -> Numbers:
    x, y = np.concatenate(rows), np.concatenate(right)
    sizes = np.array([len(row) for row in rows])
    starts, owner = np.r_[0, np.cumsum(sizes)[:-1]], np.repeat(np.arange(len(rows)), sizes)
    share = (weights / weights.sum())[owner]
    fitted, mean, square = (np.zeros(x.shape[1]) for _ in range(3))
    free = np.array([name not in _BY_HAND for name in FEATURES])
    fitted[~free] = [_BY_HAND[name] for name in FEATURES if name in _BY_HAND]
    for step in range(1, _STEPS + 1):
        score = x @ fitted
        score -= np.maximum.reduceat(score, starts)[owner]
        chance = np.exp(score)
        chance /= np.add.reduceat(chance, starts)[owner]
        goal = chance * y
        goal /= np.maximum(np.add.reduceat(goal, starts)[owner], 1e-12)
        slope = free * (x.T @ ((chance - goal) * share) + _PENALTY * fitted)
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        fitted -= 0.1 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-9)
    return np.asarray(fitted)


def support_rows(found: Iterable[Case], *, with_cosines: bool) -> list[list[float]]:
    """The features of each question, without those of a written answer."""
    rows = []
    for case in found:
        cosines = case.cosines if with_cosines else None
        ranked = case.read.index.rank(case.question.text, cosines)
        features = features_of(case.read.index, case.question.text, ranked, cosines)
        rows.append([value or 0.0 for value in features[:_EVIDENCE]])
    return rows


def fit_support(
    pairs: Sequence[tuple[Sequence[Case], Sequence[Case], float]], *, with_cosines: bool
) -> dict[str, float]:
    """Weights and the constant, from pairs of questions with and without an answer, each pair with its weight."""
    x, y, weights = [], [], []
    for right, wrong, weight in pairs:
        for found, mark in ((right, 1.0), (wrong, 0.0)):
            rows = support_rows(found, with_cosines=with_cosines)
            x += rows
            y += [mark] * len(rows)
            weights += [weight / len(rows)] * len(rows)
    fitted = logistic(np.array(x), np.array(y), np.array(weights))
    names = [*Features._fields[:_EVIDENCE], "constant"]
    return {name: round(float(weight), 3) for name, weight in zip(names, fitted, strict=True)}


def logistic(x: Numbers, y: Numbers, weights: Numbers, small: float = _SUPPORT_PENALTY) -> Numbers:
    """A weight for each column and the constant, by Newton's method; `small` holds weights down."""
    x = np.c_[x, np.ones(len(x))]
    penalty = small * np.eye(x.shape[1])
    penalty[-1, -1] = 1e-9
    fitted = np.zeros(x.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-x @ fitted))
        slope = x.T @ ((chance - y) * weights) + penalty @ fitted
        bend = (x * (weights * chance * (1 - chance))[:, None]).T @ x + penalty
        fitted = fitted - np.linalg.solve(bend, slope)
    return np.asarray(fitted)


def fit_all(sets: Sets, similarity: Similarity, seed: int) -> dict[str, Any]:
    """All coefficients, in the form of coefficients.json."""
    drawn = random.Random(seed)

    def some(found: Iterable[Case]) -> list[Case]:
        cases_ = list(found)
        return drawn.sample(cases_, min(SAMPLE, len(cases_)))

    sets = Sets(*(measuring.sampled(measuring.half(articles, "fitted"), MOST_ASKED, seed) for articles in sets))
    known = [case for case in cases.on_articles(sets.misleading, similarity) if case.question.references]
    groups = [
        some(cases.on_articles(sets.squad, similarity)),
        some(known),
        some(cases.on_articles(sets.own, similarity)),
        some(case for case in cases.on_passages(sets.clapnq, similarity) if case.question.sentences),
        some(cases.on_all(sets.squad, similarity)),
        list(cases.on_all(measuring.one_each(contracts(_SEED, _CONTRACTS)), similarity)),
    ]
    passages = list(cases.on_passages(sets.misleading, similarity))
    pairs = [
        (groups[0], some(cases.on_others(sets.squad, similarity)), 1.0),
        (groups[2], some(cases.on_others(sets.own, similarity)), 1.0),
        (groups[2], some(cases.on_articles(sets.own_unanswered, similarity)), 0.7),
        (
            some(case for case in passages if case.question.references),
            some(case for case in passages if not case.question.references),
            1.0,
        ),
    ]
    written = coefficients.stored().get("written", {})
    fitted: dict[str, Any] = {
        "written": written,
        "ranking": {},
        "support": {"answerable_from": {}},
        "quote": {"margin": _NO_MARGIN},
    }
    hows = {"words_only": False, "with_cosines": True}
    fitted["ranking"] = {name: fit_ranking(groups, with_cosines=how) for name, how in hows.items()}
    store(fitted)
    # Words alone know nothing of questions in other words.
    told = {True: pairs, False: [pair for pair in pairs if pair[0] is not groups[2]]}
    fitted["support"] |= {name: fit_support(told[how], with_cosines=how) for name, how in hows.items()}
    store(fitted)
    bounds = {name: _bound(pairs[0][0], pairs[0][1], with_cosines=how) for name, how in hows.items()}
    fitted["support"]["answerable_from"] = bounds
    fitted["quote"]["margin"] = _margin([*groups[0], *groups[1]])
    return fitted


def store(fitted: dict[str, Any]) -> None:
    """Write the coefficients, and use them from now on."""
    write_atomically(TARGET, json.dumps(fitted, indent=1).encode() + b"\n")
    coefficients.forget()


def _bound(right: Sequence[Case], wrong: Sequence[Case], *, with_cosines: bool) -> float:
    """The middle between what all but `_APART` of the right ones reach and all but `_APART` of the wrong ones don't."""
    reached = _supports(right, with_cosines=with_cosines)
    missed = _supports(wrong, with_cosines=with_cosines)
    return round((reached[int(_APART * len(reached))] + missed[int((1 - _APART) * len(missed))]) / 2, 3)


def _supports(found: Sequence[Case], *, with_cosines: bool) -> list[float]:
    """In rising order."""
    supports = []
    for case in found:
        cosines = case.cosines if with_cosines else None
        ranked = case.read.index.rank(case.question.text, cosines)
        supports.append(support(features_of(case.read.index, case.question.text, ranked, cosines)))
    return sorted(supports)


def _margin(found: Sequence[Case]) -> float:
    """The least by which a quote is about as often right as without any bound on the scores."""
    ranked = [(case, case.read.index.rank(case.question.text, case.cosines)) for case in found]

    def right(margin: float) -> int:
        quotes = ((case, quote(case.read.text, case.read.sentences, best, margin)) for case, best in ranked)
        return sum(any(one.index in case.right for one in quoted) for case, quoted in quotes)

    most = right(_NO_MARGIN)
    return next(margin for margin in _MARGINS if right(margin) >= _AS_GOOD * most)


@click.command()
@click.argument("squad", type=click.Path(path_type=Path, exists=True))
@click.argument("misleading", type=click.Path(path_type=Path, exists=True))
@click.argument("clapnq", type=click.Path(path_type=Path, exists=True))
@click.option("--embedder", default="auto", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(squad: Path, misleading: Path, clapnq: Path, embedder: str, seed: int) -> None:
    """Fit on files in the formats of SQuAD 1.1, SQuAD 2.0 and ClapNQ, and on the project's own questions."""
    sets = Sets(read(squad), read(misleading), read(clapnq), read(OTHER_WORDS), without_answer())
    store(fit_all(sets, similarity_of(embedder, threads=2), seed))


if __name__ == "__main__":
    main()
