"""A question put to a text: its sentences are cut, indexed and embedded once for all the questions of the text."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate

from bench.answers.datasets import Article, Question
from bench.answers.measures import contains
from contract.evidence.ranking import SentenceIndex
from contract.evidence.sentences import embedding_text, split_sentences

Similarity = Callable[[str, Sequence[str]], Sequence[float] | None]
"""Compares a question with each of the texts; None where nothing compares beside words."""


def words_only(_question: str, _texts: Sequence[str]) -> None:
    """Compares nothing: the ranking goes by words."""


class Read:
    """A text, or several joined together, as it is read once."""

    def __init__(self, *documents: str) -> None:
        self.text = "\n\n".join(documents)
        self.sentences = split_sentences(self.text)
        ends = list(accumulate(len(document) + 2 for document in documents))
        numbers = [bisect_right(ends, sentence.start) for sentence in self.sentences]
        self.index = SentenceIndex(self.text, self.sentences, numbers if len(documents) > 1 else None)

    @cached_property
    def embedded(self) -> list[str]:
        """What the vectors are made of."""
        return [embedding_text(self.text, sentence) for sentence in self.sentences]

    @cached_property
    def words(self) -> list[str]:
        """The sentences as they stand."""
        return [self.text[sentence.start : sentence.end] for sentence in self.sentences]


class Case:
    """One question on one text."""

    def __init__(
        self, question: Question, read: Read, similarity: Similarity, group: int, asked_about: str | None = None
    ) -> None:
        self.question, self.read, self.group = question, read, group
        self._asked_about = asked_about
        self.cosines = similarity(question.text, read.embedded)

    @cached_property
    def right(self) -> frozenset[int]:
        """The sentences that hold a right answer."""
        if self.question.sentences:
            return frozenset(
                at
                for at, words in enumerate(self.read.words)
                if any(_same(words, one) for one in self.question.sentences)
            )
        return frozenset(at for at, words in enumerate(self.read.words) if contains(words, self.question.references))

    @cached_property
    def passage(self) -> range:
        """The sentences of the passage that the question was asked about."""
        start = self.read.text.find(self._asked_about) if self._asked_about else -1
        if start < 0:
            return range(0)
        starts = [sentence.start for sentence in self.read.sentences]
        return range(bisect_left(starts, start), bisect_left(starts, start + len(self._asked_about or "")))


def on_articles(articles: Iterable[Article], similarity: Similarity) -> Iterator[Case]:
    """Each question put to its whole article."""
    for group, article in enumerate(articles):
        read = Read(article.text)
        for passage in article.passages:
            for question in passage.questions:
                yield Case(question, read, similarity, group, passage.text)


def on_passages(articles: Iterable[Article], similarity: Similarity) -> Iterator[Case]:
    """Each question put to its own passage."""
    for group, article in enumerate(articles):
        for passage in article.passages:
            read = Read(passage.text)
            for question in passage.questions:
                yield Case(question, read, similarity, group, passage.text)


def on_others(articles: Sequence[Article], similarity: Similarity) -> Iterator[Case]:
    """Each question that has an answer put to an article far from its own, which most likely does not hold it."""
    reads = [Read(article.text) for article in articles]
    for group, article in enumerate(articles):
        other = reads[(group + max(1, len(reads) // 2)) % len(reads)]
        for passage in article.passages:
            for question in passage.questions:
                if question.references:
                    yield Case(question, other, similarity, group)


def on_all(articles: Sequence[Article], similarity: Similarity) -> Iterator[Case]:
    """Each question put to all articles as one text."""
    read = Read(*(article.text for article in articles))
    for group, article in enumerate(articles):
        for passage in article.passages:
            for question in passage.questions:
                yield Case(question, read, similarity, group, passage.text)


def _same(words: str, gold: str) -> bool:
    """Whether a sentence is most of the gold one, or a part of it: others cut sentences differently."""
    ours, theirs = words.split(), gold.split()
    held = len(set(ours) & set(theirs))
    return held >= 0.6 * min(len(set(ours)), len(set(theirs))) and held >= 0.3 * max(len(set(ours)), len(set(theirs)))
