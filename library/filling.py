"""Fills a store with generated documents for a benchmark: `python -m library.filling`, with an order on stdin.

Texts are drawn from a bounded set of sentences, whose terms and vectors are made once; rows, index and vectors go into
the store as those of documents that were read. No library may run on the folder.
"""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from contract.documents import document_id, version_id
from contract.embedding import Embedder, Embedders, Vectors, open_embedders
from contract.runtime.lock import FileLock
from contract.settings import RedactionSettings
from library.embedding import Embedding
from library.imports.prepare import READER, rules_of
from library.search.meanings import Meanings
from library.store.records import Import, Passage, Prepared, Sentence
from library.store.sqlite import SqliteStore
from library.store.terms import indexed
from library.store.versions import context_terms

SENTENCES_A_PASSAGE: Final = 4
_BESIDE: Final = "\n\n"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be put into which folder, for whom."""

    folder: str
    """The library's: it is made where it is missing."""
    publisher: str
    client: str
    sentences: list[str]
    documents: int
    passages: int
    """Of all documents together."""
    embedder: str
    threads: int
    seed: int = 1


class Remembering:
    """An embedder that makes each text's vector once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name = embedder.name
        self.dimensions = embedder.dimensions
        self._known: dict[str, Vectors] = {}

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """A row for each text."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            self._known |= dict(zip(missing, self._embedder.embed_passages(missing), strict=True))
        if not texts:
            return np.zeros((0, self.dimensions), np.float32)
        return np.stack([self._known[text] for text in texts])

    def embed_query(self, text: str) -> Vectors:
        return self._embedder.embed_query(text)


def fill(order: Order) -> None:
    """Store all of it. Raises AlreadyRunningError where a library runs on the folder."""
    folder = Path(order.folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / "lock")
    lock.acquire()
    store = SqliteStore(folder)
    try:
        _store_texts(store, order)
        if embedders := open_embedders(order.embedder, order.threads):
            whole, english = embedders
            known = Embedders(Remembering(whole), Remembering(english) if english else None)
            Embedding(store, known, Meanings.of(store, known)).embed_all()
    finally:
        store.close()
        lock.release()


def _store_texts(store: SqliteStore, order: Order) -> None:
    drawn = np.random.default_rng(order.seed)
    sentences = [(one, indexed(one)) for one in order.sentences]
    rules, space = rules_of(RedactionSettings()).name, f"{order.publisher}.{order.client}"
    for number in range(order.documents):
        name, sha256 = f"filled-{number}.txt", f"{number:064x}"
        document = document_id(space, name, sha256)
        count = order.passages * (number + 1) // order.documents - order.passages * number // order.documents
        places = drawn.integers(len(sentences), size=(count, SENTENCES_A_PASSAGE))
        chosen = [[sentences[place] for place in row] for row in places.tolist()]
        prepared = _prepared(name, sha256, rules, chosen)
        work = Import(
            document=document,
            generation=store.place(document, space, sha256).generation,
            publisher=order.publisher,
            client=order.client,
            space=space,
            name=name,
            sha256=sha256,
            size_bytes=len(prepared.text),
            media_type="text/plain",
        )
        store.begin(work)
        store.commit(document, work.generation, prepared, "")


def _prepared(name: str, sha256: str, rules: str, passages: list[list[tuple[str, str]]]) -> Prepared:
    texts = [" ".join(text for text, _ in one) for one in passages]
    starts = [0]
    for text in texts:
        starts.append(starts[-1] + len(text) + len(_BESIDE))
    terms = context_terms(name, "", "")
    return Prepared(
        version=version_id(sha256, READER, rules),
        sha256=sha256,
        reader=READER,
        rules=rules,
        media_type="text/plain",
        title="",
        text=_BESIDE.join(texts),
        passages=tuple(
            _passage(start, end - len(_BESIDE), one, terms)
            for (start, end), one in zip(pairwise(starts), passages, strict=True)
        ),
    )


def _passage(start: int, end: int, sentences: list[tuple[str, str]], context: str) -> Passage:
    cuts: list[Sentence] = []
    at = 0
    for text, _ in sentences:
        cuts.append(Sentence(at, at + len(text), "sentence", 0))
        at += len(text) + 1
    terms = " ".join(one for _, one in sentences)
    return Passage(start=start, end=end, page=0, context="", sentences=tuple(cuts), terms=terms, context_terms=context)


def main() -> None:
    """Exit status 0 once all is stored."""
    fill(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))


if __name__ == "__main__":
    main()
