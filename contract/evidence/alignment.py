"""Aligns what a model said with the sentences that it read: exact spans, never the model's own quotes."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from contract.evidence.background import rarity
from contract.evidence.sentences import Sentence, split_sentences
from contract.evidence.words import term_of, terms_of, tokens_of

CITED_FROM: Final = 0.5
"""The least share of a statement's weight that a cited sentence holds."""
_ADDED_FROM: Final = 0.2
"""A second sentence is cited for the same statement when it adds at least this share."""
_ANSWER_CHARACTERS: Final = 20_000
_STATEMENTS: Final = 200
_COMMON: Final = 0.1


class Span(NamedTuple):
    """`text[start:end]` supports `answer[answer_start:answer_end]`, and covers the share `score` of it, 0 to 1."""

    start: int
    end: int
    score: float
    answer_start: int = 0
    answer_end: int = 0


def cite(answer: str, text: str, sentences: Sequence[Sentence], limit: int = 8) -> list[Span]:
    """The sentences that support the answer, for each of its statements the best first; at most `limit`.

    `sentences` are those that were read, best ranked first: of two that hold the same the earlier is cited.
    """
    read = [(sentence, frozenset(terms_of(text, sentence.start, sentence.end))) for sentence in sentences]
    found: dict[tuple[int, int], Span] = {}
    answer = answer[:_ANSWER_CHARACTERS]
    for statement in split_sentences(answer)[:_STATEMENTS]:
        for span in _of_statement(terms_of(answer, statement.start, statement.end), read):
            kept = found.get(span[:2])
            if kept is None or kept.score < span.score:
                found[span[:2]] = span._replace(answer_start=statement.start, answer_end=statement.end)
    return list(found.values())[:limit]


def covered_share(answer: str, text: str, spans: Iterable[tuple[int, int]]) -> float:
    """The share of the answer's words, weighted by rarity, that stand in these spans of the text."""
    wanted = _weights(terms_of(answer[:_ANSWER_CHARACTERS]))
    held = {term for start, end in spans for term in terms_of(text, start, end)}
    total = sum(wanted.values())
    return sum(weight for term, weight in wanted.items() if term in held) / total if total else 0.0


def added_share(question: str, answer: str, text: str, spans: Iterable[tuple[int, int]]) -> float:
    """Of the answer's words that the question does not hold, the share that stands in these spans; 0 if it has none."""
    asked = set(terms_of(question[:_ANSWER_CHARACTERS]))
    wanted = _weights(term for term in terms_of(answer[:_ANSWER_CHARACTERS]) if term not in asked)
    held = frozenset(term for start, end in spans for term in terms_of(text, start, end))
    total = sum(wanted.values())
    return _held(wanted, held) / total if total else 0.0


def exact_share(answer: str, text: str, spans: Iterable[tuple[int, int]]) -> float:
    """The share of the answer's numbers and names that stand in these spans; 1 if it has none."""
    answer = answer[:_ANSWER_CHARACTERS]
    wanted = set()
    for token in tokens_of(answer):
        word = answer[token.start : token.end]
        before = answer[max(0, token.start - 3) : token.start].rstrip()
        opens = not before or before[-1] in ".!?:"
        if word[0].isdecimal() or (word[0].isupper() and not opens):
            wanted.add(term_of(word))
    wanted.discard("")
    held = {term for start, end in spans for term in terms_of(text, start, end)}
    return len(wanted & held) / len(wanted) if wanted else 1.0


def _of_statement(terms: Sequence[str], read: Sequence[tuple[Sentence, frozenset[str]]]) -> list[Span]:
    """The best sentence, and one more if the first leaves much open that the other holds."""
    weights = _weights(terms)
    total = sum(weights.values())
    if not total:
        return []
    best = max(read, key=lambda one: _held(weights, one[1]), default=None)
    if best is None or (first := _held(weights, best[1]) / total) < CITED_FROM:
        return []
    spans = [Span(best[0].start, best[0].end, round(first, 3))]
    rest = {term: weight for term, weight in weights.items() if term not in best[1]}
    second = max(read, key=lambda one: _held(rest, one[1]))
    if _held(rest, second[1]) / total >= _ADDED_FROM:
        spans.append(Span(second[0].start, second[0].end, round(_held(weights, second[1]) / total, 3)))
    return spans


def _weights(terms: Iterable[str]) -> dict[str, float]:
    return {term: _COMMON + rarity(term) for term in terms}


def _held(weights: dict[str, float], terms: frozenset[str]) -> float:
    return sum(weight for term, weight in weights.items() if term in terms)
