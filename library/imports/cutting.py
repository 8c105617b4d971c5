"""Cuts a canonical text into passages: what is indexed, found and ranked. Pure; offsets count code points."""

import bisect
from collections.abc import Iterator, Sequence
from typing import Final

from contract.documents import Page, Span
from contract.evidence.sentences import Sentence as Cut
from contract.evidence.sentences import split_sentences
from library.store.records import Passage, Sentence
from library.store.terms import indexed
from library.store.versions import context_terms

PASSAGE_CHARS: Final = 1200
"""A passage that would be longer is cut between sentences; one sentence may be as long by itself."""
ENOUGH_CHARS: Final = 500
"""A paragraph that is shorter is joined with the next one under the same heading."""
CONTEXT_CHARS: Final = 400


def cut(text: str, name: str, title: str, pages: Sequence[Page], hidden: Sequence[Span]) -> tuple[Passage, ...]:
    """All passages of a text, in order, each visible or hidden as a whole."""
    where = _Pages(pages)
    unseen = _Spans(hidden)
    sentences = split_sentences(text)
    return tuple(
        _passage(text, name, title, group, where, is_hidden=unseen.holds(group[0].start))
        for group in _grouped(sentences, where, unseen)
    )


def _grouped(sentences: Sequence[Cut], where: "_Pages", unseen: "_Spans") -> Iterator[list[Cut]]:
    """Sentences that make one passage: neighbours on one page under one heading, as many as fit."""
    group: list[Cut] = []
    for sentence in sentences:
        if group and _parts(group, sentence, where, unseen):
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group


def _parts(group: list[Cut], sentence: Cut, where: "_Pages", unseen: "_Spans") -> bool:
    """Whether a sentence begins a new passage."""
    first, last = group[0], group[-1]
    if unseen.holds(first.start) != unseen.holds(sentence.start) or where.of(first.start) != where.of(sentence.start):
        return True
    if sentence.kind == "heading":
        return last.kind != "heading"
    if sentence.end - first.start > PASSAGE_CHARS:
        return True
    return sentence.block != last.block and last.end - first.start >= ENOUGH_CHARS


def _passage(text: str, name: str, title: str, group: list[Cut], where: "_Pages", *, is_hidden: bool) -> Passage:
    start, end = group[0].start, group[-1].end
    above = list(dict.fromkeys(part for one in group for part in one.above if part[0] < start))
    context, moved = _context(text, above)
    sentences = tuple(
        Sentence(
            one.start - start,
            one.end - start,
            one.kind,
            one.block - group[0].block,
            tuple(_above(part, start, moved, len(context)) for part in one.above if part in moved or part[0] >= start),
        )
        for one in group
    )
    return Passage(
        start=start,
        end=end,
        page=where.of(start),
        context=context,
        sentences=sentences,
        terms=indexed(text[start:end]),
        context_terms=context_terms(name, title, context),
        is_hidden=is_hidden,
    )


def _above(
    part: tuple[int, int], start: int, moved: dict[tuple[int, int], tuple[int, int]], context_chars: int
) -> tuple[int, int]:
    """Where a part is in the passage's context with the passage's text behind it."""
    return moved.get(part) or (context_chars + part[0] - start, context_chars + part[1] - start)


def _context(text: str, above: list[tuple[int, int]]) -> tuple[str, dict[tuple[int, int], tuple[int, int]]]:
    """The headings above a passage's sentences, one a line, and where each part of them is in that text."""
    context = ""
    moved: dict[tuple[int, int], tuple[int, int]] = {}
    for start, end in above:
        part = text[start:end]
        if len(context) + len(part) > CONTEXT_CHARS:
            break
        moved[(start, end)] = (len(context), len(context) + len(part))
        context += f"{part}\n"
    return context, moved


class _Pages:
    """On which page an offset is."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages
        self._starts = [page.start for page in pages]

    def of(self, offset: int) -> int:
        index = bisect.bisect_right(self._starts, offset) - 1
        return self._pages[max(index, 0)].number if self._pages else 0


class _Spans:
    """Whether an offset is in one of some spans that follow each other."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._starts = [span.start for span in spans]

    def holds(self, offset: int) -> bool:
        index = bisect.bisect_right(self._starts, offset) - 1
        return index >= 0 and offset < self._spans[index].end
