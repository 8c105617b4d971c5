"""What was found for a question: sentences of a text, ranked, and where each of them stands in its document."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from contract.evidence import Scored, Sentence, SentenceIndex
from contract.messages import MAX_CITATIONS, MAX_QUOTE_CHARS, Citation

Cite = Callable[[int, int, float], Citation]
"""The citation of `text[start:end]`, which has this score."""


class Ranking(NamedTuple):
    """The best sentences for a question, best first, and the cosines of all sentences, if there are any."""

    ranked: list[Scored]
    cosines: list[float] | None


class Found(NamedTuple):
    """The text that was read for a question, with its sentences ranked."""

    words: SentenceIndex
    ranking: Ranking
    cite: Cite

    @property
    def text(self) -> str:
        return self.words.text

    @property
    def sentences(self) -> Sequence[Sentence]:
        return self.words.sentences

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
