"""What the library asks of its store, whatever database is behind it.

Every method is one transaction, may block for milliseconds and is safe in any thread. Text and index of a version are
written together or not at all.
"""

from collections.abc import Sequence
from typing import Protocol

from contract.documents import DocumentStatus
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
from library.store.scope import Scope
from library.store.vectors import Kind
from library.store.words import Weights


class Store(Protocol):
    """Documents, their versions, and the index over the newest of them."""

    # Documents coming in.

    def place(self, document: str, space: str, sha256: str, made: Made | None = None) -> Placed:
        """The generation of these bytes: a new one, or the one that they have already.

        With `made`, a version by another reader or other rules does not count.
        """

    def next_outdated(self, made: Made, after: str = "") -> Import | None:
        """The next document behind an id whose version others made, and whose original is kept."""

    def root_outdated(self, made: Made) -> int:
        """Let the files of the root wait whose versions others made; how many."""

    def begin(self, work: Import) -> int | None:
        """Take up an import; how often it was begun before. None: it is settled, erased or overtaken."""

    def unbegin(self, document: str, generation: int) -> None:
        """A start was broken off by who stopped the library: it does not count."""

    def note_pages(self, document: str, generation: int, pages: int) -> None:
        """Pages read so far."""

    def count_crash(self, document: str, generation: int) -> int:
        """The reader crashed over this generation once more; how often it did."""

    def commit(self, document: str, generation: int, prepared: Prepared, original: str) -> bool:
        """Make a version of it: found from now on, in the former one's place. False: erased or overtaken meanwhile.

        `original`: the SHA-256 of the original that is kept; empty: none.
        """

    def fail(self, document: str, generation: int, code: str, detail: str) -> bool:
        """Settle it as a failure; what was found before still is. False: erased or overtaken meanwhile."""

    # What there is.

    def statuses(self, documents: Sequence[str], embedders: EmbedderNames) -> list[DocumentStatus]:
        """Those that there are, in the order asked."""

    def listed(
        self, space: str, prefix: str, after: tuple[str, str], limit: int, embedders: EmbedderNames
    ) -> list[DocumentStatus]:
        """By name, behind `after` (a name and an id)."""

    def totals(self, space: str, prefix: str) -> tuple[int, int]:
        """Documents of such a list, and their pages without text."""

    def counts(self, spaces: Sequence[str]) -> dict[str, int]:
        """How many documents each of these spaces holds; those without any are left out."""

    def places_of(self, documents: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Space and name of each that there is; of one that was erased, its space and an empty name."""

    def stretch(
        self, document: str, version: str, page: int, start: int, end: int | None, max_chars: int
    ) -> Stretch | None:
        """A part of a text, of the newest version where `version` is empty. None: there is no such text."""

    def original_of(self, document: str) -> str:
        """The SHA-256 of the kept original; empty: none."""

    def usage(self) -> Usage: ...

    def states(self) -> tuple[int, int, int]:
        """How many documents are kept, are being read, and could not be read."""

    # Finding.

    def weights(self, terms: list[str], known: Scope) -> Weights:
        """How much each of a query's terms counts, by what its asker may read."""

    def find_words(self, weights: Weights, scope: Scope, limit: int) -> list[Found]:
        """Passages of the scope by their words, best first."""

    def find_in(self, weights: Weights, documents: list[str], each: int, *, with_hidden: bool) -> list[int]:
        """Of each document, the few passages that hold most of the terms."""

    def has_phrase(self, terms: list[str], scope: Scope) -> bool:
        """Whether any passage of the scope holds the terms side by side."""

    def load(self, numbers: list[int]) -> list[StoredPassage]:
        """Passages with their texts; those that have gone meanwhile are left out."""

    def numbers_in(self, scope: Scope) -> list[tuple[int, int]]:
        """The versions and passages of a scope, as ranges of passage numbers (last included)."""

    # Vectors.

    def unembedded(self, kind: Kind, embedder: str, limit: int) -> list[Unembedded]:
        """Versions that are found and have no vectors of this embedder: first those without any, then the oldest."""

    # Erasing.

    def add_tombstone(self, document: str, publisher: str, client: str) -> bool:
        """Store a tombstone: from now on the document is gone for every reader. False if there is no such document."""

    def pending_erasures(self) -> list[Erasure]: ...

    def recent_erasures(self, since_ms: int) -> list[Erasure]:
        """Documents that were erased since a moment."""

    def children_of(self, document: str) -> list[str]:
        """What was attached to a document."""

    def remove(self, document: str) -> None:
        """Remove all that is kept of an erased document except its tombstone, also from the database's own files."""

    def finish_erasure(self, document: str) -> None: ...

    def erasure_state(self, document: str) -> str | None:
        """`erasing`, `erased`, or None."""

    def owe_result(self, key: str) -> None:
        """A result on the message bus is about to be deleted: `erased` has to be written in its place."""

    def settle_result(self, key: str) -> None:
        """It was."""

    def owed_results(self) -> list[str]: ...

    def fact(self, name: str) -> str:
        """What was noted under a name; empty: nothing."""

    def note_fact(self, name: str, value: str) -> None: ...

    # Files below DOCQA_ROOT.

    def root_known(self) -> dict[str, Stat]:
        """Under each path: the file that was seen there last."""

    def root_put(self, files: Sequence[tuple[str, str, Stat]]) -> None:
        """Path, document and stat of files that are new or changed: they wait to be read."""

    def root_move(self, source: str, target: str, stat: Stat) -> None:
        """The file, its document and what is attached to it have another name; nothing is read again."""

    def root_remove(self, path: str, publisher: str, client: str) -> str:
        """The file is gone, its document has a tombstone; the document, empty where it was not read yet."""

    def root_next(self, after: str) -> tuple[str, str, Stat] | None:
        """The next file that waits behind a path, from the first one again at the end."""

    def root_settle(self, path: str, stat: Stat) -> None:
        """It was read as it was then."""

    def root_counts(self) -> tuple[int, int]:
        """Files, and how many of them wait."""

    def tombstones(self, ids: Sequence[str]) -> dict[str, int]:
        """Under each of these that was erased: the newest generation that no import brings back."""

    def drop_replaced(self, before_ms: int) -> int:
        """Remove the texts of versions that were replaced before a moment; how many."""

    def needed_originals(self) -> set[str]: ...

    # The store itself.

    def snapshot(self, name: str) -> int:
        """A copy of all, as the file `name` beside the store; its size in bytes."""

    def drop_snapshot(self, name: str) -> None:
        """Remove that copy, if it is there."""

    def close(self) -> None: ...
