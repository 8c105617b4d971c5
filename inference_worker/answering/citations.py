"""Citations: spans of a text that was read, cut out of it and never taken from a model's words."""

from collections.abc import Iterable, Sequence

from contract.evidence import Scored, Sentence
from contract.messages import MAX_CITATIONS, MAX_QUOTE_CHARS, Citation


def of_sentences(text: str, sentences: Sequence[Sentence], found: Iterable[Scored]) -> list[Citation]:
    """A citation for each ranked sentence, in their order."""
    spans = [(sentences[one.index].start, sentences[one.index].end, one.score) for one in found]
    return of_spans(text, spans)


def of_spans(text: str, spans: Iterable[tuple[int, int, float]]) -> list[Citation]:
    """A citation for each `(start, end, score)`; at most `MAX_CITATIONS`, each of at most `MAX_QUOTE_CHARS`."""
    return [_cut(text, *span) for span in spans][:MAX_CITATIONS]


def _cut(text: str, start: int, end: int, score: float) -> Citation:
    end = min(end, start + MAX_QUOTE_CHARS)
    return Citation(start=start, end=end, quote=text[start:end], score=round(score, 4))
