"""Texts prepared for any number of questions: sentences, words, vectors. Kept by text, within a bound.

Any thread may ask; knows nothing of jobs. What makes the vectors is `contract.embedding`.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import structlog

from contract.errors import DocQAError
from contract.evidence import SentenceIndex, embedding_text, split_sentences
from inference_worker.answering.found import Found, cite_context, found_in

if TYPE_CHECKING:
    from contract.embedding import Embedders, QueryVectors, TextVectors

T = TypeVar("T")

log = structlog.get_logger(__name__)

KEPT_CHARACTERS: Final = 8_000_000
"""Texts of this many characters together are kept prepared; an index takes about ten times as many bytes."""
RANKED: Final = 8
_ANSWERED: Final = 64
"""Questions on one text whose evidence is kept: the same question again needs no work."""
_QUESTIONS: Final = 2_048
"""Questions whose vectors are kept, 3 kB each."""


class _Prepared(NamedTuple):
    words: SentenceIndex
    vectors: "TextVectors | None"
    """A row for each sentence; None without an embedder."""
    answered: OrderedDict[str, Found]


class PreparedTexts:
    """Prepares each text once and ranks its sentences."""

    def __init__(self, embedders: "Callable[[], Embedders | None]", kept_characters: int = KEPT_CHARACTERS) -> None:
        """`embedders` is called once, by the first thread that needs it: loading takes a moment."""
        self._open = embedders
        self._embedders: Embedders | None = None
        self._is_open = False
        self._kept_characters = kept_characters
        self._kept: OrderedDict[str, _Prepared] = OrderedDict()
        self._questions: OrderedDict[str, QueryVectors] = OrderedDict()
        self._preparing = threading.Lock()
        self._counting = threading.Lock()

    def known(self, question: str, text: str) -> Found | None:
        """What was found for the same question on the same text before; takes microseconds."""
        prepared = self._kept.get(text)
        return prepared.answered.get(question) if prepared else None

    def find(self, question: str, text: str) -> Found:
        """The text's sentences that answer the question best."""
        prepared = self._prepared(text)
        found = found_in(prepared.words, question, self._cosines(question, prepared), cite_context(text), RANKED)
        self._remember(prepared.answered, question, found, _ANSWERED)
        return found

    def warm(self) -> None:
        """Load the embedders, so that the first question does not wait for it."""
        with self._preparing:
            # English, so that both are loaded.
            self._vectors(["What is this about?"])

    def clear(self) -> None:
        """Forget all texts."""
        self._kept.clear()
        self._questions.clear()

    def _cosines(self, question: str, prepared: _Prepared) -> Sequence[float] | None:
        if prepared.vectors is None or self._embedders is None:
            return None
        # Imported here: an engine that needs no vectors starts without numpy.
        from contract.embedding import similarities

        vector = self._questions.get(question)
        if vector is None:
            vector = self._embedders.embed_query(question)
            self._remember(self._questions, question, vector, _QUESTIONS)
        return similarities(vector, prepared.vectors)

    def _prepared(self, text: str) -> _Prepared:
        with self._preparing:
            if text in self._kept:
                self._kept.move_to_end(text)
                return self._kept[text]
            sentences = split_sentences(text)
            vectors = self._vectors([embedding_text(text, sentence) for sentence in sentences])
            prepared = self._kept[text] = _Prepared(SentenceIndex(text, sentences), vectors, OrderedDict())
            self._drop_oldest()
            return prepared

    def _vectors(self, texts: Sequence[str]) -> "TextVectors | None":
        if not self._is_open:
            self._embedders, self._is_open = self._open(), True
        if self._embedders is None or not texts:
            return None
        try:
            return self._embedders.embed_passages(texts).packed()
        except DocQAError as error:
            # Words alone find much; the reason is logged once.
            log.warning("evidence is found by words alone", reason=str(error))
            self._embedders = None
            return None

    def _drop_oldest(self) -> None:
        kept = sum(map(len, self._kept))
        while kept > self._kept_characters and len(self._kept) > 1:
            kept -= len(self._kept.popitem(last=False)[0])

    def _remember(self, kept: OrderedDict[str, T], key: str, value: T, most: int) -> None:
        with self._counting:
            kept[key] = value
            while len(kept) > most:
                kept.popitem(last=False)
