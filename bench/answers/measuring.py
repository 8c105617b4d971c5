"""Puts a data set's questions to their passages, articles, all articles and wrong ones, and measures the answers."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

from bench.answers import cases, quoting
from bench.answers.cases import Case, Read, Similarity
from bench.answers.contracts import absent_parties, contracts
from bench.answers.datasets import Article, Passage, Question
from bench.answers.quoting import Answered, answer


def sampled(articles: Sequence[Article], count: int, seed: int) -> list[Article]:
    """The articles with at most so many of their questions, drawn evenly."""
    places = [
        (at, of, which)
        for at, article in enumerate(articles)
        for of, passage in enumerate(article.passages)
        for which in range(len(passage.questions))
    ]
    kept = set(random.Random(seed).sample(places, min(count, len(places))))
    return [
        Article(
            article.title,
            tuple(
                Passage(
                    passage.text, tuple(one for which, one in enumerate(passage.questions) if (at, of, which) in kept)
                )
                for of, passage in enumerate(article.passages)
            ),
        )
        for at, article in enumerate(articles)
    ]


def half(articles: Sequence[Article], which: str) -> list[Article]:
    """`fitted` has the articles that the coefficients were fitted on, `held-out` the others, `all` both."""
    chosen = {"fitted": (0,), "held-out": (1,), "all": (0, 1)}[which]
    return [article for at, article in enumerate(articles) if at % 2 in chosen]


def measured(articles: Sequence[Article], similarity: Similarity) -> dict[str, Any]:
    """The figures of each scope, and of refusals."""
    passage = _answers(cases.on_passages(articles, similarity))
    article = _answers(cases.on_articles(articles, similarity))
    scopes = {"passage": quoting.figures(passage), "article": quoting.figures(article)}
    if len(articles) > 1:
        scopes["all"] = quoting.figures(_answers(cases.on_all(articles, similarity)))
    refusals = {}
    if len(articles) > 1:
        refusals["other_article"] = quoting.refusals(article, _answers(cases.on_others(articles, similarity)))
    if any(not one.has_reference for one in passage):
        refusals["no_answer"] = quoting.refusals(passage, [one for one in passage if not one.has_reference])
    return {"scopes": scopes, "refusals": {kind: row for kind, row in refusals.items() if row["with_answer"]}}


def measured_unanswered(
    answered: Sequence[Article], unanswered: Sequence[Article], similarity: Similarity
) -> dict[str, Any]:
    """The same texts with questions that they answer, and with plausible ones that they do not."""
    known = _answers(cases.on_articles(answered, similarity))
    return quoting.refusals(known, _answers(cases.on_articles(unanswered, similarity)))


def measured_contracts(similarity: Similarity, seed: int, count: int, asked: int) -> dict[str, Any]:
    """Questions to a space of contracts from one template: about a party of one of them, and about one of none."""
    known = _answers(cases.on_all(one_each(contracts(seed, count), asked), similarity))
    unknown = _answers(strangers(seed, count, similarity)[:asked])
    return {
        "scopes": {"contracts": quoting.figures(known)},
        "refusals": {"absent_party": quoting.refusals(known, unknown)},
    }


def one_each(articles: Sequence[Article], asked: int | None = None) -> list[Article]:
    """One question of each of the first `asked` contracts (default: all), each kind in turn."""
    asked = len(articles) if asked is None else asked
    return [_with_one(article, at) if at < asked else _with_none(article) for at, article in enumerate(articles)]


def strangers(seed: int, count: int, similarity: Similarity) -> list[Case]:
    """Questions about parties of none of the contracts of this seed, put to all of them."""
    read = Read(*(article.text for article in contracts(seed, count)))
    return [Case(Question(question, ()), read, similarity, 0) for question in absent_parties(seed, count)]


def _with_one(article: Article, turn: int) -> Article:
    (passage,) = article.passages
    return Article(article.title, (Passage(passage.text, (passage.questions[turn % len(passage.questions)],)),))


def _with_none(article: Article) -> Article:
    return Article(article.title, tuple(Passage(passage.text, ()) for passage in article.passages))


def _answers(found: Iterable[Case]) -> list[Answered]:
    return [answer(case) for case in found]
