"""Questions about documents as request bodies, from a SQuAD file or built in."""

from pathlib import Path
from typing import Final

import msgspec

from bench.harness import dataset as squad
from bench.harness.documents import DOCUMENTS
from bench.harness.errors import BenchError

MAX_CONTEXT_CHARS: Final = 6000
"""Longer paragraphs are left out: a prompt that does not fit would be refused, which is not measured here."""


class Workload:
    """Pairs of a question and its document, used in rotation."""

    def __init__(self, pairs: list[tuple[str, str]], max_tokens: int = 32) -> None:
        if not pairs:
            raise BenchError("The data set has no question.")
        self._bodies = [
            msgspec.json.encode({"query": question, "context": context, "max_tokens": max_tokens})
            for question, context in pairs
        ]

    def body(self, number: int) -> bytes:
        """The JSON body of the `number`th query."""
        return self._bodies[number % len(self._bodies)]

    def __len__(self) -> int:
        return len(self._bodies)


def load(dataset: Path | None, max_tokens: int = 32) -> Workload:
    """The questions of a SQuAD file, or the built-in ones; raises BenchError for another file."""
    return Workload(_from_squad(dataset) if dataset else _own(), max_tokens)


def _own() -> list[tuple[str, str]]:
    # Alternates between documents, so that neighbours in the queue ask about different ones.
    return [(questions[turn], text) for turn in range(4) for text, questions in DOCUMENTS]


def _from_squad(path: Path) -> list[tuple[str, str]]:
    return [
        (asked.question, paragraph.text)
        for article in squad.articles(path)
        for paragraph in article.paragraphs
        if len(paragraph.text) <= MAX_CONTEXT_CHARS
        for asked in paragraph.asked
    ]
