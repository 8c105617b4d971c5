"""A store that is filled for a benchmark is one as imports make it: whole, and found by words and by meaning."""

from pathlib import Path

import msgspec
import pytest

from contract.embedding import Embedders
from contract.errors import AlreadyRunningError
from contract.runtime.lock import FileLock
from library import filling
from library.search.meanings import Meanings
from library.search.search import Search
from library.store.scope import Scope
from library.store.sqlite import SqliteStore
from library.store.vectors import WHOLE
from tests.unit.library.test_search import Synonyms

SENTENCES = ["No animal may be kept.", "The sea is deep and blue.", "The roof needs a repair.", "Rent is due in May."]


def order(folder: Path) -> filling.Order:
    return filling.Order(
        folder=str(folder),
        publisher="http",
        client="local",
        sentences=SENTENCES,
        documents=5,
        passages=12,
        embedder="synonyms",
        threads=1,
    )


def test_all_documents_are_there_and_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = Synonyms()
    monkeypatch.setattr(filling, "open_embedders", lambda setting, threads: Embedders(embedder))
    # As the program gets it.
    filling.fill(msgspec.json.decode(msgspec.json.encode(order(tmp_path)), type=filling.Order))
    store = SqliteStore(tmp_path)
    try:
        store.check()
        usage = store.usage()
        assert (usage.documents, usage.passages) == (5, 12)
        assert store.unembedded(WHOLE, embedder.name, 1) == []
        embedders = Embedders(embedder)
        meaning = Meanings.of(store, embedders)
        meaning.refresh()
        own = Scope(spaces=("http.local",))
        assert "animal" in Search(store, meaning, embedders.embed_query).find("dog?", own, 1)[0].text
        assert "roof" in Search(store).find("roof", own, 1)[0].text
    finally:
        store.close()


def test_nothing_is_filled_below_a_running_library(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    lock.acquire()
    try:
        with pytest.raises(AlreadyRunningError):
            filling.fill(order(tmp_path))
    finally:
        lock.release()
