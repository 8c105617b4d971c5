"""What the library does when its disk, its database, its embedder or one document of many is at fault."""

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from numpy.typing import NDArray

from contract.embedding import Embedders, EmbeddingError
from contract.settings import RedactionSettings
from library.condition import Condition
from library.embedding import Embedding
from library.erasing import Eraser
from library.imports.pool import Preparation, PreparationCrashedError
from library.imports.prepare import Source
from library.imports.renewal import Renewal
from library.search.meanings import Meanings
from library.store.connections import Connections, Use
from library.store.faults import StoreError
from library.store.files import SPOOLED_FOR_S, Files
from library.store.records import Made
from library.store.sqlite import FILE, SqliteStore
from library.store.vectors import WHOLE
from tests.support.library_side import begun, prepared
from tests.unit.library.test_importer import TEXT, Desk, read

Noted = dict[Use, StoreError | None]


@pytest.fixture
def noted() -> Noted:
    return {}


@pytest.fixture
def connections(tmp_path: Path, noted: Noted) -> Iterator[Connections]:
    opened = Connections(tmp_path / FILE, lambda use, error: noted.update({use: error}))
    yield opened
    opened.close()


def test_a_full_disk_is_one_sentence_and_passes(connections: Connections, noted: Noted) -> None:
    with connections.writing() as db:
        db.pragma("max_page_count", int(db.pragma("page_count")))
    with pytest.raises(StoreError, match="the disk is full: free some of it"), connections.writing() as db:
        fill(db)
    assert noted["written"]
    with connections.writing() as db:
        db.pragma("max_page_count", 2**30)
        db.execute("INSERT INTO facts VALUES('x', 'y')")
    assert noted["written"] is None


def test_a_commit_that_fails_does_not_keep_the_next_transaction_from_beginning(connections: Connections) -> None:
    with connections.writing() as db:
        db.execute("CREATE TABLE children(parent REFERENCES facts DEFERRABLE INITIALLY DEFERRED)")
        db.pragma("defer_foreign_keys", 1)
    connections._writer.pragma("foreign_keys", 1)
    with pytest.raises(apsw.ConstraintError), connections.writing() as db:
        db.execute("INSERT INTO children VALUES('nobody')")
    with connections.writing() as db:
        db.execute("INSERT INTO facts VALUES('x', 'y')")


def test_a_damaged_database_says_so_at_the_start(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"This is no database." * 1000)
    with pytest.raises(StoreError, match="is damaged: restore a backup") as caught:
        SqliteStore(tmp_path)
    assert caught.value.is_damaged


def test_a_page_that_is_damaged_later_says_so_to_who_reads_it(tmp_path: Path) -> None:
    connections = Connections(tmp_path / FILE)
    with connections.writing() as db:
        fill(db)
    connections.truncate_log()
    connections.close()
    size = (tmp_path / FILE).stat().st_size
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 2))
    noted: Noted = {}
    damaged = Connections(tmp_path / FILE, lambda use, error: noted.update({use: error}))
    with pytest.raises(StoreError, match="is damaged"), damaged.reading() as db:
        list(db.execute("SELECT name, max(value) FROM facts GROUP BY name"))
    assert noted["read"]
    damaged.close()


def fill(db: apsw.Connection) -> None:
    db.executemany("INSERT INTO facts VALUES(?, hex(zeroblob(1000)))", ((str(number),) for number in range(1000)))


def test_nothing_is_written_into_a_database_that_was_removed(connections: Connections, noted: Noted) -> None:
    moved = connections.path.rename(connections.path.with_name("moved.db"))
    with pytest.raises(StoreError, match="was moved or replaced while it is in use"), connections.writing():
        pass
    assert noted["written"]
    moved.rename(connections.path)
    with connections.writing() as db:
        db.execute("INSERT INTO facts VALUES('x', 'y')")


def test_another_database_in_the_place_of_the_opened_one_is_noticed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    assert not store.is_replaced()
    store.snapshot("other.db")
    (tmp_path / "other.db").rename(tmp_path / FILE)
    assert store.is_replaced()
    store.close()


def test_a_tombstone_that_the_disk_took_half_of_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path)
    work = begun(store, TEXT)
    whole = os.write
    with monkeypatch.context() as patched:
        patched.setattr("library.store.tombstones.os.write", lambda file, line: whole(file, line[:20]))
        with pytest.raises(OSError, match="No space left"):
            store.add_tombstone(work.document, "http", "local")
    assert store.add_tombstone(work.document, "http", "local")
    store.close()
    (tmp_path / FILE).unlink()
    again = SqliteStore(tmp_path)
    assert again.tombstones([work.document])
    again.close()


class Fragile:
    """An embedder that fails over some texts."""

    name = "fragile"
    dimensions = 8

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        if "poison" in text and self.error:
            raise self.error
        return np.ones(8, np.float32)


def embedding_of(store: SqliteStore, embedder: Fragile, condition: Condition) -> Embedding:
    embedders = Embedders(embedder)
    return Embedding(store, embedders, Meanings.of(store, embedders), condition)


def stored(store: SqliteStore, text: str, name: str) -> None:
    work = begun(store, text, name)
    assert store.commit(work.document, work.generation, prepared(text, name), "")


def test_a_text_that_the_embedder_fails_over_keeps_no_other_from_its_vectors(tmp_path: Path) -> None:
    store, condition = SqliteStore(tmp_path), Condition()
    for name, text in (("a.txt", "The poison."), ("b.txt", "The rent."), ("c.txt", "The term.")):
        stored(store, text, name)
    embedding_of(store, Fragile(ValueError("tokens")), condition).embed_all()
    assert len(store.unembedded(WHOLE, "fragile", 10)) == 1
    assert "1 documents are found by their words alone" in condition.problems()[0]
    store.close()


async def test_an_embedder_that_cannot_be_used_is_shown_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("library.embedding._AGAIN_AFTER_S", 0.01)
    store, condition = SqliteStore(tmp_path), Condition()
    stored(store, "The poison.", "a.txt")
    embedder = Fragile(EmbeddingError("The model is gone."))
    embedding = embedding_of(store, embedder, condition)
    embedding.start()
    async with asyncio.timeout(30):
        while not condition.problems():
            await asyncio.sleep(0.01)
        assert condition.problems() == ["Documents are found by their words alone: The model is gone."]
        embedder.error = None
        while condition.problems():
            await asyncio.sleep(0.01)
    await embedding.stop()
    assert not store.unembedded(WHOLE, "fragile", 10)
    store.close()


async def test_an_original_that_is_gone_keeps_no_other_document_from_being_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("library.imports.renewal._AGAIN_AFTER_S", 0.0)
    desk = Desk(tmp_path)
    made = Made("9", "9")
    for number in range(3):
        name, work = desk.work(f"Text {number}.", f"00000000-0000-8000-8000-00000000000{number}")
        await desk.importer(read).run(name, work)
    first = desk.store.next_outdated(made)
    assert first
    desk.files.original(first.sha256).unlink()
    asked: list[str] = []

    async def noting(file: Path, **fields: Any) -> Any:
        asked.append(file.read_text())
        return await read(file, **fields)

    await Renewal(desk.store, desk.files, desk.importer(noting), made)._renew_all()
    assert sorted(asked) == ["Text 1.", "Text 2."]
    desk.store.close()


async def test_a_document_whose_reading_anew_was_killed_is_read_anew_at_the_next_start(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    name, work = desk.work()
    await desk.importer(read).run(name, work)
    made = Made("9", "9")
    outdated = desk.store.next_outdated(made)
    assert outdated
    placed = desk.store.place(outdated.document, outdated.space, outdated.sha256, made)
    assert desk.store.begin(begun_again(outdated, placed.generation)) == 0
    again = desk.store.next_outdated(made)
    assert again
    assert again.document == outdated.document
    desk.store.close()


def begun_again(work: Any, generation: int) -> Any:
    return type(work)(**{field: getattr(work, field) for field in work.__struct_fields__} | {"generation": generation})


async def test_a_document_that_can_never_be_stored_is_a_failure_after_three_tries(tmp_path: Path) -> None:
    from library.imports.importer import TryAgainError

    desk = Desk(tmp_path)
    name, work = desk.work()
    importer = desk.importer(read)
    importer._keep = _too_big  # type: ignore[method-assign,assignment]  # what SQLite says of a text over its limit
    for _ in range(2):
        with pytest.raises(TryAgainError):
            await importer.run(name, work)
    await importer.run(name, work)
    assert (desk.status.state, desk.status.code) == ("failed", "reader-crashed")
    desk.store.close()


def _too_big(*_: object) -> bool:
    raise apsw.TooBigError("string or blob too big")


async def test_a_full_disk_is_never_a_failure_of_the_document(tmp_path: Path) -> None:
    from library.imports.importer import MAX_STARTS, TryAgainError

    desk = Desk(tmp_path)
    name, work = desk.work()
    importer = desk.importer(read)
    keep = importer._keep

    def full(*_: object) -> bool:
        raise StoreError("The disk is full.")

    importer._keep = full  # type: ignore[method-assign,assignment]  # the disk's error
    for _ in range(MAX_STARTS + 1):
        with pytest.raises(TryAgainError, match="The disk is full"):
            await importer.run(name, work)
    importer._keep = keep  # type: ignore[method-assign]  # there is room again
    await importer.run(name, work)
    assert desk.status.state == "ready"
    desk.store.close()


def test_a_spool_file_that_is_being_read_is_not_swept_however_old(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    name, _ = desk.work()
    file = desk.files.spooled(name)
    old_s = file.stat().st_mtime - 2 * SPOOLED_FOR_S
    os.utime(file, (old_s, old_s))
    with desk.files.in_use(name):
        assert desk.files.sweep_spool(()) == 0
    assert desk.files.sweep_spool(()) == 1
    desk.store.close()


def test_a_spool_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    files = Files(tmp_path)
    shutil.rmtree(files.spool)
    files.make_folders()
    assert files.spooled_bytes() == 0


async def test_a_text_that_takes_for_ever_to_prepare_does_not_stop_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    preparation = Preparation(RedactionSettings(), within_s=0.0)
    with pytest.raises(PreparationCrashedError, match="took more than 0 minutes"):
        await preparation.prepare(Source(name="a", sha256="0" * 64, media_type="text/plain", title="", text="A."))
    monkeypatch.setattr(preparation, "_within_s", 60.0)
    found = await preparation.prepare(Source(name="a", sha256="0" * 64, media_type="text/plain", title="", text="A."))
    assert found.text == "A."
    preparation.close()


async def test_an_erasure_that_waits_for_a_minute_is_shown(tmp_path: Path) -> None:
    now_s = [0.0]
    condition = Condition(lambda: now_s[0])
    store = SqliteStore(tmp_path)
    work = begun(store, TEXT)
    store.add_tombstone(work.document, "http", "local")
    tried = asyncio.Event()

    async def forget(_: object) -> bool:
        tried.set()
        return False

    eraser = Eraser(store, Files(tmp_path), forget, lambda _: None, condition)
    running = asyncio.create_task(eraser.run())
    await asyncio.wait_for(tried.wait(), 30)
    while not condition._errors:
        await asyncio.sleep(0.01)
    assert condition.problems() == []
    now_s[0] = 61.0
    assert "can't be erased to the end" in condition.problems()[0]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    store.close()
