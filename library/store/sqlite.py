"""The embedded store: one SQLite database that the library alone opens, and a file of tombstones beside it."""

import contextlib
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from contract.documents import DocumentStatus
from contract.runtime.files import make_folder
from contract.topology import ROOT_SPACE
from library.store import documents, erasure, owed, root_files, texts, vectors, versions, words
from library.store.connections import Connections, OnFault
from library.store.records import (
    EmbedderNames,
    Erasure,
    Found,
    Import,
    Made,
    Placed,
    Prepared,
    Stat,
    StoredPassage,
    Stretch,
    Unembedded,
    Usage,
)
from library.store.rows import query_all, query_one
from library.store.scope import Scope
from library.store.terms import fingerprint
from library.store.tombstones import Tombstones
from library.store.vectors import Kind, Packed, Signs
from library.store.words import Weights

FILE: Final = "store.db"
_TRUNCATE_TRIES: Final = 200
_TRUNCATE_PAUSE_S: Final = 0.05
_TERMS: Final = "terms"


class SqliteStore:
    """See `library.store.interface.Store`."""

    def __init__(self, folder: Path, on_fault: OnFault = lambda use, error: None) -> None:
        """Open or make the store in a folder of its own.

        Raises SettingsError for one that a newer version wrote, StoreError for one that can't be read or written.
        """
        make_folder(folder, 0o700)
        self.folder = folder
        self._db = Connections(folder / FILE, on_fault)
        self._tombstones = Tombstones(folder)
        self._apply_tombstones()
        self._index_anew_if_needed()

    def _apply_tombstones(self) -> None:
        """A store that was restored from a backup may hold what was erased since."""
        with self._db.writing() as db:
            for tombstone in self._tombstones.read():
                row: Any = query_one(db, "SELECT generation FROM documents WHERE id = ?", (tombstone.document,))
                if row is not None and row <= tombstone.generation:
                    erasure.add_tombstone(db, tombstone.document)
                tombstone.restore(db)

    def _index_anew_if_needed(self) -> None:
        """Terms that other code made can't be taken out of the index any more: it is made anew, all or nothing."""
        with self._db.writing() as db:
            found = query_one(db, "SELECT value FROM facts WHERE name = ?", (_TERMS,))
            if found not in (None, fingerprint()):
                versions.index_anew(db)
            db.execute("INSERT OR REPLACE INTO facts VALUES(?, ?)", (_TERMS, fingerprint()))

    def place(self, document: str, space: str, sha256: str, made: Made | None = None) -> Placed:
        with self._db.writing() as db:
            return documents.place(db, document, space, sha256, made)

    def next_outdated(self, made: Made, after: str = "") -> Import | None:
        with self._db.reading() as db:
            return documents.next_outdated(db, made, after)

    def root_outdated(self, made: Made) -> int:
        with self._db.writing() as db:
            found = documents.outdated_in(db, ROOT_SPACE, made)
            root_files.wait_all(db, found)
            return len(found)

    def begin(self, work: Import) -> int | None:
        with self._db.writing() as db:
            return documents.begin(db, work)

    def unbegin(self, document: str, generation: int) -> None:
        with self._db.writing() as db:
            documents.unbegin(db, document, generation)

    def note_pages(self, document: str, generation: int, pages: int) -> None:
        with self._db.writing() as db:
            documents.note_pages(db, document, generation, pages)

    def count_crash(self, document: str, generation: int) -> int:
        with self._db.writing() as db:
            return documents.count_crash(db, document, generation)

    def commit(self, document: str, generation: int, prepared: Prepared, original: str) -> bool:
        with self._db.writing() as db:
            if not documents.is_current(db, document, generation):
                return False
            doc, former = query_one(db, "SELECT doc, ver FROM documents WHERE id = ?", (document,))
            # The same text again: one of it is enough, and its citations stay true. Texts that other rules of redaction
            # made may hold what these take out: they are not kept for those who cite them.
            gone = query_all(
                db,
                "SELECT ver, rules <> ?3 FROM versions WHERE doc = ?1 AND (id = ?2 OR rules <> ?3)",
                (doc, prepared.version, prepared.rules),
            )
            for ver, _ in gone:
                versions.remove(db, ver)
                former = 0 if ver == former else former
            if former:
                versions.replace(db, former)
            ver = versions.insert(db, document, prepared)
            documents.settle_ready(db, document, generation, ver, prepared.media_type, original)
        if any(had_other_rules for _, had_other_rules in gone):
            # While a search goes on without end the log keeps them, until the next erasure or the library's end.
            with contextlib.suppress(TimeoutError):
                self._forget_log()
        return True

    def fail(self, document: str, generation: int, code: str, detail: str) -> bool:
        with self._db.writing() as db:
            return documents.fail(db, document, generation, code, detail)

    def statuses(self, ids: Sequence[str], embedders: EmbedderNames) -> list[DocumentStatus]:
        with self._db.reading() as db:
            return documents.statuses(db, ids, embedders)

    def listed(
        self, space: str, prefix: str, after: tuple[str, str], limit: int, embedders: EmbedderNames
    ) -> list[DocumentStatus]:
        with self._db.reading() as db:
            return documents.listed(db, space, prefix, after, limit, embedders)

    def totals(self, space: str, prefix: str) -> tuple[int, int]:
        with self._db.reading() as db:
            return documents.totals(db, space, prefix)

    def counts(self, spaces: Sequence[str]) -> dict[str, int]:
        with self._db.reading() as db:
            return documents.counts(db, spaces)

    def places_of(self, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        with self._db.reading() as db:
            return documents.spaces_of(db, ids)

    def stretch(
        self, document: str, version: str, page: int, start: int, end: int | None, max_chars: int
    ) -> Stretch | None:
        with self._db.reading() as db:
            return texts.read(db, document, version, page, start, end, max_chars)

    def original_of(self, document: str) -> str:
        with self._db.reading() as db:
            return str(query_one(db, "SELECT original FROM documents WHERE id = ?", (document,)) or "")

    def usage(self) -> Usage:
        with self._db.reading() as db:
            row: Any = query_one(
                db,
                "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM versions),"
                " (SELECT coalesce(sum(last - first + 1), 0) FROM versions),"
                " (SELECT coalesce(sum(size_bytes), 0) FROM (SELECT DISTINCT original, size_bytes FROM documents"
                "  WHERE original <> ''))",
            )
        size = sum(file.stat().st_size for file in self.folder.glob(f"{FILE}*"))
        return Usage(row[0], row[1], row[2], size, row[3])

    def states(self) -> tuple[int, int, int]:
        with self._db.reading() as db:
            row: Any = query_one(
                db,
                "SELECT count(*), sum(state = 'reading'), sum(state = 'failed') FROM documents"
                " WHERE state <> 'erasing'",
            )
        return row[0], row[1] or 0, row[2] or 0

    def weights(self, terms: list[str], known: Scope) -> Weights:
        with self._db.reading() as db:
            return words.weights_of(db, list(dict.fromkeys(terms)), known)

    def find_words(self, weights: Weights, scope: Scope, limit: int) -> list[Found]:
        # Of a few documents, all that match can be counted.
        counted = weights.all_counted() if scope.documents else weights
        with self._db.reading() as db:
            return words.find(db, counted, scope, limit)

    def has_phrase(self, terms: list[str], scope: Scope) -> bool:
        with self._db.reading() as db:
            return words.has_phrase(db, terms, scope)

    def find_in(self, weights: Weights, documents: list[str], each: int, *, with_hidden: bool) -> list[int]:
        with self._db.reading() as db:
            return words.find_in(db, weights, documents, each, with_hidden=with_hidden)

    def load(self, numbers: list[int]) -> list[StoredPassage]:
        with self._db.reading() as db:
            return words.load(db, numbers)

    def numbers_in(self, scope: Scope) -> list[tuple[int, int]]:
        with self._db.reading() as db:
            return vectors.numbers_in(db, scope)

    def unembedded(self, kind: Kind, embedder: str, limit: int) -> list[Unembedded]:
        with self._db.reading() as db:
            return vectors.unembedded(db, kind, embedder, limit)

    def passages_of(self, version: int) -> list[StoredPassage]:
        """All passages of a version, in order."""
        with self._db.reading() as db:
            row: Any = query_one(db, "SELECT first, last FROM versions WHERE ver = ?", (version,))
            return words.load(db, list(range(row[0], row[1] + 1))) if row else []

    def put_vectors(self, kind: Kind, version: int, embedder: str, packed: Sequence[Packed], signs: Signs) -> bool:
        """Store all vectors of a version at once; False: it is not found any more."""
        with self._db.writing() as db:
            return vectors.put(db, kind, version, embedder, packed, signs)

    def signs(self, kind: Kind, embedder: str, known: Collection[int]) -> list[Signs]:
        """The signs of the embedder's vectors, of versions that are not known yet."""
        with self._db.reading() as db:
            return vectors.signs(db, kind, embedder, known)

    def vectors_of(self, kind: Kind, numbers: list[int]) -> dict[int, Packed]:
        """Under each passage that has vectors: those of its sentences."""
        with self._db.reading() as db:
            return vectors.load(db, kind, numbers)

    def add_tombstone(self, document: str, publisher: str, client: str) -> bool:
        with self._db.writing() as db:
            is_there = erasure.add_tombstone(db, document) or erasure.add_tombstone_before_reading(
                db, document, publisher, client
            )
            if is_there:
                # Before the transaction is: a store that is restored later must not know less than this file.
                self._tombstones.add(db, document)
            return is_there

    def pending_erasures(self) -> list[Erasure]:
        with self._db.reading() as db:
            return erasure.pending(db)

    def recent_erasures(self, since_ms: int) -> list[Erasure]:
        with self._db.reading() as db:
            return erasure.recent(db, since_ms)

    def children_of(self, document: str) -> list[str]:
        with self._db.reading() as db:
            return erasure.children(db, document)

    def remove(self, document: str) -> None:
        with self._db.writing() as db:
            erasure.remove(db, document)
        self._forget_log()

    def _forget_log(self) -> None:
        """The write-ahead log holds earlier pages: it is truncated once no reader uses them."""
        for _ in range(_TRUNCATE_TRIES):
            if self._db.truncate_log():
                return
            time.sleep(_TRUNCATE_PAUSE_S)
        raise TimeoutError("The store's log is being read without end.")

    def finish_erasure(self, document: str) -> None:
        with self._db.writing() as db:
            erasure.finish(db, document)

    def erasure_state(self, document: str) -> str | None:
        with self._db.reading() as db:
            return erasure.state(db, document)

    def owe_result(self, key: str) -> None:
        with self._db.writing() as db:
            owed.owe(db, key)

    def settle_result(self, key: str) -> None:
        with self._db.writing() as db:
            owed.settle(db, key)

    def owed_results(self) -> list[str]:
        with self._db.reading() as db:
            return owed.all_of(db)

    def fact(self, name: str) -> str:
        with self._db.reading() as db:
            return str(query_one(db, "SELECT value FROM facts WHERE name = ?", (name,)) or "")

    def note_fact(self, name: str, value: str) -> None:
        with self._db.writing() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES(?, ?)", (name, value))

    def root_known(self) -> dict[str, Stat]:
        with self._db.reading() as db:
            return root_files.known(db)

    def root_put(self, files: Sequence[tuple[str, str, Stat]]) -> None:
        with self._db.writing() as db:
            root_files.put(db, files)

    def root_move(self, source: str, target: str, stat: Stat) -> None:
        with self._db.writing() as db:
            document = root_files.move(db, source, target, stat)
            for one in [document, *erasure.children(db, document)]:
                named = query_one(db, "SELECT name FROM documents WHERE id = ?", (one,))
                if named:
                    versions.rename(db, one, target + str(named).removeprefix(source))

    def root_remove(self, path: str, publisher: str, client: str) -> str:
        with self._db.writing() as db:
            document = root_files.remove(db, path)
            is_there = erasure.add_tombstone(db, document) or erasure.add_tombstone_before_reading(
                db, document, publisher, client
            )
            if is_there:
                self._tombstones.add(db, document)
            return document if is_there else ""

    def root_next(self, after: str) -> tuple[str, str, Stat] | None:
        with self._db.reading() as db:
            return root_files.next_waiting(db, after)

    def root_settle(self, path: str, stat: Stat) -> None:
        with self._db.writing() as db:
            root_files.settle(db, path, stat)

    def root_counts(self) -> tuple[int, int]:
        with self._db.reading() as db:
            return root_files.counts(db)

    def tombstones(self, ids: Sequence[str]) -> dict[str, int]:
        with self._db.reading() as db:
            return erasure.tombstones(db, ids)

    def drop_replaced(self, before_ms: int) -> int:
        with self._db.writing() as db:
            count = erasure.drop_replaced(db, before_ms)
        if count:
            self._forget_log()
        return count

    def needed_originals(self) -> set[str]:
        with self._db.reading() as db:
            return erasure.needed_originals(db)

    def snapshot(self, name: str) -> int:
        path = self.folder / name
        path.unlink(missing_ok=True)
        self._db.copy_to(path)
        return path.stat().st_size

    def drop_snapshot(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def check(self) -> None:
        """Raises apsw.Error where the database or its index is damaged, and AssertionError where they disagree."""
        with self._db.writing() as db:
            versions.check(db)

    def is_replaced(self) -> bool:
        """True: another database is where the opened one was."""
        return self._db.is_detached() and self._db.path.exists()

    def close(self) -> None:
        self._db.close()
