"""Measures answers that quote: no language model takes part."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from bench.answers import measures
from bench.answers.cases import Case
from bench.answers.measures import Share, share_of
from contract.evidence import answerable, features_of, quote, support
from contract.evidence.quote import words_in

RECALLED: Final = (1, 2, 3, 5, 8)
_EVIDENCE: Final = 4


class Answered(NamedTuple):
    """One question, answered by quoting."""

    has_reference: bool
    is_first_right: bool
    is_quote_right: bool
    f1: float
    first_words: int
    quote_words: int
    recalled: tuple[bool, ...]
    """Whether the best 1, 2, 3, 5, 8 sentences hold the answer."""
    in_passage: tuple[bool, ...]
    """Whether the best 1, 2, 3, 5, 8 sentences reach the passage that was asked about."""
    sentence_f1: float | None
    """Of the best four sentences against those that the data set names."""
    support: float
    is_answerable: bool
    is_in_text: bool
    """Whether each citation is in the document, code point for code point."""


def answer(case: Case) -> Answered:
    """Rank, quote and judge, as the product does."""
    read, right = case.read, case.right
    ranked = read.index.rank(case.question.text, case.cosines)
    quoted = quote(read.text, read.sentences, ranked)
    features = features_of(read.index, case.question.text, ranked, case.cosines)
    said = [read.words[found.index] for found in quoted]
    order = [found.index for found in ranked]
    return Answered(
        has_reference=bool(case.question.references or case.question.sentences),
        is_first_right=bool(order) and order[0] in right,
        is_quote_right=any(found.index in right for found in quoted),
        f1=measures.f1(said[0], case.question.references) if said else 0.0,
        first_words=words_in(read.text, read.sentences[order[0]]) if order else 0,
        quote_words=sum(words_in(read.text, read.sentences[found.index]) for found in quoted),
        recalled=tuple(any(at in right for at in order[:best]) for best in RECALLED),
        in_passage=tuple(any(at in case.passage for at in order[:best]) for best in RECALLED),
        sentence_f1=_sentence_f1(order[:_EVIDENCE], right) if case.question.sentences else None,
        support=support(features),
        is_answerable=answerable(features),
        is_in_text=all(words and words in read.text for words in said),
    )


def _sentence_f1(quoted: Sequence[int], right: frozenset[int]) -> float:
    same = len(right.intersection(quoted))
    return 2 * same / (len(right) + len(quoted)) if same else 0.0


def figures(answered: Sequence[Answered]) -> dict[str, Any]:
    """The measures of questions that have an answer in the text that they were put to."""
    known = [one for one in answered if one.has_reference]
    if not known:
        return {"questions": 0}
    found = {
        "questions": len(known),
        "first_sentence_right": _row(share_of(one.is_first_right for one in known)),
        "quote_right": _row(share_of(one.is_quote_right for one in known)),
        "first_sentence_f1": round(statistics.fmean(one.f1 for one in known), 4),
        "first_sentence_words_median": statistics.median(one.first_words for one in known),
        "quote_words_median": statistics.median(one.quote_words for one in known),
        "sentence_recall": _recall(known, [one.recalled for one in known]),
        "passage_recall": _recall(known, [one.in_passage for one in known]),
        "citations_in_text": _row(share_of(one.is_in_text for one in known)),
        "risk_coverage_area": measures.risk_coverage_area(
            [one.support for one in known], [one.is_first_right for one in known]
        ),
    }
    gold = [one.sentence_f1 for one in known if one.sentence_f1 is not None]
    return {**found, "sentence_f1": round(statistics.fmean(gold), 4)} if gold else found


def refusals(right: Iterable[Answered], wrong: Iterable[Answered]) -> dict[str, Any]:
    """How well support tells questions with an answer from those without one."""
    known, unknown = [one for one in right if one.has_reference], list(wrong)
    marked_right = [not one.is_answerable for one in known]
    marked_wrong = [not one.is_answerable for one in unknown]
    marked = sum(marked_right) + sum(marked_wrong)
    supports = [one.support for one in known], [one.support for one in unknown]
    return {
        "with_answer": len(known),
        "without_answer": len(unknown),
        "area": measures.roc_area(*supports),
        "marked": _row(share_of(marked_wrong)),
        "marked_wrongly": _row(share_of(marked_right)),
        "precision": round(sum(marked_wrong) / marked, 4) if marked else None,
        "marked_at_3_percent_wrongly": measures.marked_at(*supports, 0.03),
        "marked_at_5_percent_wrongly": measures.marked_at(*supports, 0.05),
    }


def _recall(known: Sequence[Answered], marks: Sequence[tuple[bool, ...]]) -> dict[str, float]:
    return {str(best): round(sum(row[at] for row in marks) / len(known), 4) for at, best in enumerate(RECALLED)}


def _row(share: Share) -> dict[str, Any]:
    return share._asdict()
