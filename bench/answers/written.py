"""The figures of answers that came from a running stack: right, cited, marked, and what they cost."""

import statistics
from collections.abc import Sequence
from typing import Any

from bench.answers import measures
from bench.answers.asking import Asked, right_of
from bench.answers.measures import share_of


def figures(found: Sequence[Asked], elapsed_s: float) -> dict[str, Any]:
    """The measures of answers to questions that have one."""
    right = right_of(found)
    supports = [one.support for one in found]
    cited = [mark for one in found for mark in one.citations_right]
    return {
        "questions": len(found),
        "right": dict(share_of(right)._asdict()),
        "right_with_quotes": dict(
            share_of(measures.contains(one.whole, one.question.references) for one in found)._asdict()
        ),
        "f1": round(statistics.fmean(measures.f1(one.answer, one.question.references) for one in found), 4),
        "words_median": statistics.median(len(one.answer.split()) for one in found),
        "citations_in_text": round(statistics.fmean(one.is_cited_exactly for one in found), 4),
        "citation_precision": dict(share_of(cited)._asdict()),
        "citation_recall": dict(share_of(any(one.citations_right) for one in found)._asdict()),
        "risk_coverage_area": measures.risk_coverage_area(supports, right),
        "risk_coverage": measures.risk_coverage(supports, right),
        "seconds_median": round(statistics.median(one.took_s for one in found), 3),
        "answers_per_s": round(len(found) / elapsed_s, 3),
        "tokens_read_mean": round(statistics.fmean(one.prompt_tokens for one in found), 1),
        "tokens_written_mean": round(statistics.fmean(one.completion_tokens for one in found), 1),
    }


def refusals(known: Sequence[Asked], unknown: Sequence[Asked]) -> dict[str, Any]:
    """How well answers are marked whose text holds none; `known` were put to a text that does."""
    marked_right, marked_wrong = [one.is_marked for one in known], [one.is_marked for one in unknown]
    marked = sum(marked_right) + sum(marked_wrong)
    supports = [one.support for one in known], [one.support for one in unknown]
    return {
        "with_answer": len(known),
        "without_answer": len(unknown),
        "area": measures.roc_area(*supports),
        "marked": dict(share_of(marked_wrong)._asdict()),
        "marked_wrongly": dict(share_of(marked_right)._asdict()),
        "precision": round(sum(marked_wrong) / marked, 4) if marked else None,
        "marked_at_3_percent_wrongly": measures.marked_at(*supports, 0.03),
        "marked_at_5_percent_wrongly": measures.marked_at(*supports, 0.05),
    }
