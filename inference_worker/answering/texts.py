"""The texts that questions are asked about, prepared for any number of questions: sentences, words, vectors.

Kept by text, within a bound. Knows nothing of questions; what makes the vectors is `contract.embedding`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from contract.errors import DocQAError
from contract.evidence import Sentence, SentenceIndex, embedding_text, split_sentences
from inference_worker.answering.found import Found, Ranking, cite_context

if TYPE_CHECKING:
    from contract.embedding import Embedder, Vectors

log = structlog.get_logger(__name__)

KEPT_CHARACTERS: Final = 8_000_000
"""Texts of this many characters together are kept prepared; an index takes about ten times as many bytes."""
RANKED: Final = 8


class Prepared(NamedTuple):
    """A text with what its questions need. `vectors` has a row for each sentence; None without an embedder."""

    words: SentenceIndex
    vectors: "Vectors | None"


class Texts:
    """Prepares texts on a thread of its own, each once, and ranks their sentences there."""

    def __init__(self, embedder: "Callable[[], Embedder | None]", kept_characters: int = KEPT_CHARACTERS) -> None:
        """`embedder` is called once, on that thread: loading one takes a moment."""
        self._open = embedder
        self._embedder: Embedder | None = None
        self._is_open = False
        self._kept_characters = kept_characters
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "evidence")

    async def find(self, question: str, text: str) -> Found:
        """The text's sentences that answer the question best."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._found, question, text)

    def warm(self) -> None:
        """Load the embedder beside, so that the first question does not wait for it."""
        self._thread.submit(self._vectors, "", [Sentence(0, 0)])

    def close(self) -> None:
        """Forget all texts; what is being prepared is finished first."""
        self._thread.shutdown(cancel_futures=True)
        self._kept.clear()

    def _found(self, question: str, text: str) -> Found:
        prepared = self._prepared(text)
        similar = None
        if prepared.vectors is not None and (embedder := self._opened()) is not None:
            # Imported here: an engine that needs no vectors starts without numpy.
            from contract.embedding import cosines

            similar = cosines(embedder.embed_query(question), prepared.vectors)
        ranked = prepared.words.rank(question, similar, RANKED)
        return Found(prepared.words, Ranking(ranked, similar), cite_context(text))

    def _prepared(self, text: str) -> Prepared:
        if text in self._kept:
            self._kept.move_to_end(text)
            return self._kept[text]
        sentences = split_sentences(text)
        prepared = Prepared(SentenceIndex(text, sentences), self._vectors(text, sentences))
        self._keep(text, prepared)
        return prepared

    def _vectors(self, text: str, sentences: list[Sentence]) -> "Vectors | None":
        embedder = self._opened()
        if embedder is None or not sentences:
            return None
        try:
            return embedder.embed_passages([embedding_text(text, sentence) for sentence in sentences])
        except DocQAError as error:
            # Words alone find much; the reason is said once.
            log.warning("evidence is found by words alone", reason=str(error))
            self._embedder = None
            return None

    def _keep(self, text: str, prepared: Prepared) -> None:
        self._kept[text] = prepared
        kept = sum(map(len, self._kept))
        while kept > self._kept_characters and len(self._kept) > 1:
            kept -= len(self._kept.popitem(last=False)[0])

    def _opened(self) -> "Embedder | None":
        if not self._is_open:
            self._embedder, self._is_open = self._open(), True
        return self._embedder
