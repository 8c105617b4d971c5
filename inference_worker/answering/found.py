"""What was found for a question: ranked sentences of a text, with their offsets in its document."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from contract.evidence import Features, Scored, Sentence, SentenceIndex, features_of
from contract.messages import MAX_CITATIONS, MAX_QUOTE_CHARS, Citation

Cite = Callable[[int, int, float], Citation]
"""The citation of `text[start:end]`, which has this score."""


class Found(NamedTuple):
    """The text that was read for a question, and the sentences in it that answer best."""

    text: str
    sentences: Sequence[Sentence]
    ranked: list[Scored]
    """The best sentences, best first."""
    features: Features
    """What the support of an answer is computed from."""
    cite: Cite
    documents: frozenset[str] = frozenset()
    """Those of the library that the text is taken from."""

    def citations(self, scored: Iterable[Scored]) -> list[Citation]:
        """A citation for each ranked sentence, in their order; at most `MAX_CITATIONS`."""
        sentences = [(self.sentences[one.index], one.score) for one in scored]
        return self.citations_of((sentence.start, sentence.end, score) for sentence, score in sentences)

    def citations_of(self, spans: Iterable[tuple[int, int, float]]) -> list[Citation]:
        """A citation for each `(start, end, score)`; at most `MAX_CITATIONS`, each of at most `MAX_QUOTE_CHARS`."""
        cut = [(start, min(end, start + MAX_QUOTE_CHARS), round(score, 4)) for start, end, score in spans]
        return [self.cite(*span) for span in cut[:MAX_CITATIONS]]


def cite_context(text: str) -> Cite:
    """Citations of a text that came with its question: offsets count in it, and no document is named."""
    return lambda start, end, score: Citation(start=start, end=end, quote=text[start:end], score=score)


def found_in(index: SentenceIndex, question: str, cosines: Sequence[float] | None, cite: Cite, limit: int) -> Found:
    """Rank the sentences of a text. Takes milliseconds of a core for a long one: not for the event loop."""
    ranked = index.rank(question, cosines, limit)
    return Found(index.text, index.sentences, ranked, features_of(index, question, ranked, cosines), cite)
