"""A version's text and index: they are written together and go together. The transaction is the caller's."""

from collections.abc import Iterable
from typing import Final

import apsw
import msgspec

from library.store import scope, vectors
from library.store.documents import now_ms
from library.store.outline import Outline
from library.store.records import Passage, Prepared, Sentence
from library.store.rows import query_all, query_one
from library.store.terms import indexed

BLOCK_CHARS: Final = 16_384
"""A stretch of text is read in blocks of so many code points."""


def insert(db: apsw.Connection, document: str, prepared: Prepared) -> int:
    """Store text and index of a document's new version; its number."""
    doc, space, name = _document(db, document)
    first = int(query_one(db, "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'passages'"))
    outline = Outline(
        prepared.pages, prepared.headings, prepared.hidden, prepared.pages_without_text, prepared.redactions
    )
    ver = query_one(
        db,
        "INSERT INTO versions(doc, id, name, sha256, reader, rules, media_type, title, characters, hidden_characters,"
        " page_count, outline, blank_pages, first, last, created_ms)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING ver",
        (doc, prepared.version, name, prepared.sha256, prepared.reader, prepared.rules, prepared.media_type,
         prepared.title, len(prepared.text), prepared.hidden_characters, len(prepared.pages),
         msgspec.msgpack.encode(outline),
         len(prepared.pages_without_text), first, first + len(prepared.passages) - 1, now_ms()),
    )  # fmt: skip
    _insert_text(db, ver, prepared.text)
    _insert_passages(db, ver, first, prepared.passages)
    _index(db, first, document, space, name, prepared.passages)
    return int(ver)


def _document(db: apsw.Connection, document: str) -> tuple[int, str, str]:
    found: tuple[int, str, str] = query_one(db, "SELECT doc, space, name FROM documents WHERE id = ?", (document,))
    return found


def _insert_text(db: apsw.Connection, ver: int, text: str) -> None:
    blocks = ((ver, start, text[start : start + BLOCK_CHARS]) for start in range(0, len(text), BLOCK_CHARS))
    db.executemany(
        "INSERT INTO texts VALUES(?, ?, ?, ?)",
        ((ver, start, start + len(block), block) for ver, start, block in blocks),
    )


def _insert_passages(db: apsw.Connection, ver: int, first: int, passages: Iterable[Passage]) -> None:
    db.executemany(
        "INSERT INTO passages VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (number, ver, one.start, one.end, one.page, one.is_hidden, one.context, pack(one.sentences))
            for number, one in enumerate(passages, first)
        ),
    )


def _index(db: apsw.Connection, first: int, document: str, space: str, name: str, passages: Iterable[Passage]) -> None:
    tokens = [scope.tokens_of(document, space, name, is_hidden=is_hidden) for is_hidden in (False, True)]
    db.executemany(
        "INSERT INTO words(rowid, scope, context, body) VALUES(?, ?, ?, ?)",
        ((number, tokens[one.is_hidden], one.context_terms, one.terms) for number, one in enumerate(passages, first)),
    )


def pack(sentences: tuple[Sentence, ...]) -> bytes:
    return msgspec.msgpack.encode(sentences)


def unpack(packed: bytes) -> tuple[Sentence, ...]:
    return msgspec.msgpack.decode(packed, type=tuple[Sentence, ...])


def context_terms(name: str, title: str, context: str) -> str:
    """A passage's entry in the index: the same when it is written and when it is removed."""
    return indexed(f"{name}\n{title}\n{context}")


def leave_index(db: apsw.Connection, ver: int) -> None:
    """A version is not found any more: its words, its passages' rows and its vectors go; its text stays."""
    *_, first, last = _version(db, ver)
    db.executemany(
        "INSERT INTO words(words, rowid, scope, context, body) VALUES('delete', ?, ?, ?, ?)", _entries(db, ver)
    )
    db.execute("DELETE FROM passages WHERE passage BETWEEN ? AND ?", (first, last))
    for kind in vectors.KINDS:
        vectors.remove(db, kind, ver, first, last)
    db.execute("UPDATE versions SET first = 1, last = 0 WHERE ver = ?", (ver,))


def rename(db: apsw.Connection, document: str, name: str) -> None:
    """Give a document another name, and its newest version the words of it, without reading it again."""
    ver = int(query_one(db, "SELECT ver FROM documents WHERE id = ?", (document,)) or 0)
    if ver:
        db.executemany(
            "INSERT INTO words(words, rowid, scope, context, body) VALUES('delete', ?, ?, ?, ?)", _entries(db, ver)
        )
    db.execute("UPDATE documents SET name = ?, changed_ms = ? WHERE id = ?", (name, now_ms(), document))
    if ver:
        db.execute("UPDATE versions SET name = ? WHERE ver = ?", (name, ver))
        _index_stored(db, ver)


def check(db: apsw.Connection) -> None:
    """Raises where text and index disagree: every passage is indexed once, and nothing else is."""
    db.execute("INSERT INTO words(words) VALUES('integrity-check')")
    if (found := query_one(db, "PRAGMA integrity_check")) != "ok":
        raise AssertionError(f"the database is damaged: {found}")
    passages = {number for (number,) in query_all(db, "SELECT passage FROM passages")}
    indexed_ones = {number for (number,) in query_all(db, "SELECT rowid FROM words")}
    expected = query_one(db, "SELECT coalesce(sum(last - first + 1), 0) FROM versions")
    if passages != indexed_ones or len(passages) != expected:
        raise AssertionError(f"{len(passages)} passages, {len(indexed_ones)} indexed, {expected} expected")


def index_anew(db: apsw.Connection) -> None:
    """Make the whole index of the texts that are kept: after a change of what words are indexed as."""
    statement = query_one(db, "SELECT sql FROM sqlite_schema WHERE name = 'words'")
    db.execute("DROP TABLE words")
    db.execute(str(statement))
    db.execute("INSERT INTO words(words, rank) VALUES('secure-delete', 1)")
    for (ver,) in query_all(db, "SELECT ver FROM versions WHERE last >= first"):
        _index_stored(db, ver)


def _index_stored(db: apsw.Connection, ver: int) -> None:
    db.executemany("INSERT INTO words(rowid, scope, context, body) VALUES(?, ?, ?, ?)", _entries(db, ver))


def _entries(db: apsw.Connection, ver: int) -> list[tuple[int, str, str, str]]:
    """What the index holds of a version."""
    document, space, name, title, first, last = _version(db, ver)
    tokens = [scope.tokens_of(document, space, name, is_hidden=is_hidden) for is_hidden in (False, True)]
    texts = _Texts(db, ver)
    rows = query_all(
        db, "SELECT passage, hidden, context, start, end FROM passages WHERE passage BETWEEN ? AND ?", (first, last)
    )
    return [
        (number, tokens[hidden], context_terms(name, title, context), indexed(texts.slice(start, end)))
        for number, hidden, context, start, end in rows
    ]


def _version(db: apsw.Connection, ver: int) -> tuple[str, str, str, str, int, int]:
    found: tuple[str, str, str, str, int, int] = query_one(
        db,
        "SELECT d.id, d.space, v.name, v.title, v.first, v.last FROM versions v JOIN documents d USING(doc)"
        " WHERE v.ver = ?",
        (ver,),
    )
    return found


def replace(db: apsw.Connection, ver: int) -> None:
    """A newer version takes this one's place: it can still be read by those who cite it."""
    leave_index(db, ver)
    db.execute("UPDATE versions SET replaced_ms = ? WHERE ver = ?", (now_ms(), ver))


def remove(db: apsw.Connection, ver: int) -> None:
    """A version goes, with all that was made of it."""
    leave_index(db, ver)
    db.execute("DELETE FROM texts WHERE ver = ?", (ver,))
    db.execute("DELETE FROM versions WHERE ver = ?", (ver,))


class _Texts:
    """Slices of a version's text, read block by block, in ascending order."""

    def __init__(self, db: apsw.Connection, ver: int) -> None:
        self._rows = query_all(db, "SELECT start, end, text FROM texts WHERE ver = ? ORDER BY start", (ver,))

    def slice(self, start: int, end: int) -> str:
        first = start // BLOCK_CHARS
        parts = [
            text[max(start - begin, 0) : end - begin]
            for begin, stop, text in self._rows[first : end // BLOCK_CHARS + 1]
            if begin < end and stop > start
        ]
        return "".join(parts)
