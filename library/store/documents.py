"""Documents and how far each generation of theirs is. Functions on a connection; the transaction is the caller's."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw
import msgspec

from contract.documents import DocumentStatus
from library.store.outline import Outline
from library.store.records import EmbedderNames, Import, Made, Placed
from library.store.rows import query_all, query_one

_COLUMNS: Final = """
  d.id, d.space, d.name, d.state, d.generation, coalesce(v.id, ''), d.media_type, d.size_bytes, d.sha256,
  coalesce(v.page_count, 0), d.pages_read, v.outline, coalesce(v.characters, 0), coalesce(v.hidden_characters, 0),
  coalesce(v.embedder, ''), d.code, d.detail, d.original <> '', d.parent, d.created_ms, d.changed_ms,
  coalesce(v.english_embedder, ''), EXISTS(SELECT 1 FROM english_signs s WHERE s.ver = v.ver AND length(s.bits))
"""
_FROM: Final = "FROM documents d LEFT JOIN versions v ON v.ver = d.ver"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def place(db: apsw.Connection, document: str, space: str, sha256: str, made: Made | None = None) -> Placed:
    """Give these bytes a generation; the one that they have already, where it is not settled or became a version.

    With `made`, a version that others made does not count.
    """
    given = query_one(db, "SELECT generation, sha256 FROM allotments WHERE document = ?", (document,))
    row = query_one(db, "SELECT generation, settled, state, sha256 FROM documents WHERE id = ?", (document,))
    erased = query_one(db, "SELECT generation FROM tombstones WHERE document = ?", (document,)) or 0
    if row and row[3] == sha256 and row[0] > erased and (not given or given[0] <= row[0]):
        generation, settled, state, _ = row
        is_done = state == "ready" and (made is None or not _is_outdated(db, document, made))
        if is_done or settled < generation:
            return Placed(document, generation, state)
    if given and given[1] == sha256 and given[0] > max(erased, row[0] if row else 0):
        return Placed(document, given[0], "queued")
    # The clock, so that a store restored from a backup gives out none that it gave before.
    least = max(given[0] if given else 0, row[0] if row else 0, erased) + 1
    generation = max(least, now_ms())
    db.execute("INSERT OR REPLACE INTO allotments VALUES(?, ?, ?, ?)", (document, generation, sha256, space))
    return Placed(document, generation, "queued")


# One of the same bytes that is being read was being read anew when the library ended.
_OUTDATED: Final = (
    "FROM documents d JOIN versions v ON v.ver = d.ver WHERE (v.reader <> ? OR v.rules <> ?)"
    " AND (d.state = 'ready' OR d.state = 'reading' AND v.sha256 = d.sha256)"
)


def _is_outdated(db: apsw.Connection, document: str, made: Made) -> bool:
    return query_one(db, f"SELECT 1 {_OUTDATED} AND d.id = ?", (*made, document)) is not None  # constants


def next_outdated(db: apsw.Connection, made: Made, after: str) -> Import | None:
    """The next document, by id, that is to be read anew from its original; its generation is still the former one."""
    row: Any = query_one(
        db,
        "SELECT d.id, d.generation, d.publisher, d.client, d.space, d.name, d.sha256, d.size_bytes, d.media_type,"
        f" d.parent {_OUTDATED} AND d.original <> '' AND d.id > ? ORDER BY d.id LIMIT 1",  # constants
        (*made, after),
    )
    if row is None:
        return None
    document, generation, publisher, client, space, name, sha256, size_bytes, media_type, parent = row
    return Import(
        document=document,
        generation=generation,
        publisher=publisher,
        client=client,
        space=space,
        name=name,
        sha256=sha256,
        size_bytes=size_bytes,
        media_type=media_type,
        parent=parent,
    )


def outdated_in(db: apsw.Connection, space: str, made: Made) -> list[str]:
    """The documents of a space whose versions others made."""
    return [row[0] for row in query_all(db, f"SELECT d.id {_OUTDATED} AND d.space = ?", (*made, space))]


def begin(db: apsw.Connection, work: Import) -> int | None:
    """Take up an import; how often it was begun before, or None where there is nothing to do any more.

    Nothing to do: erased since, settled already, or a newer generation came first.
    """
    erased = query_one(db, "SELECT generation FROM tombstones WHERE document = ?", (work.document,))
    if erased is not None and work.generation <= erased:
        return None
    row = query_one(db, "SELECT generation, settled, starts FROM documents WHERE id = ?", (work.document,))
    if row and (work.generation < row[0] or work.generation <= row[1]):
        return None
    starts = row[2] if row and row[0] == work.generation else 0
    if row:
        _begin_again(db, work, starts)
    else:
        _insert(db, work)
    return int(starts)


def _insert(db: apsw.Connection, work: Import) -> None:
    now = now_ms()
    db.execute(
        "INSERT INTO documents(id, space, name, parent, publisher, client, state, generation, sha256, size_bytes,"
        " media_type, starts, created_ms, changed_ms) VALUES(?, ?, ?, ?, ?, ?, 'reading', ?, ?, ?, ?, 1, ?, ?)",
        (work.document, work.space, work.name, work.parent, work.publisher, work.client, work.generation,
         work.sha256, work.size_bytes, work.media_type, now, now),
    )  # fmt: skip


def _begin_again(db: apsw.Connection, work: Import, starts: int) -> None:
    """A newer generation, or the same one after a crash: the version that is found now stays found."""
    is_new = starts == 0
    db.execute(
        "UPDATE documents SET state = 'reading', name = ?, generation = ?, sha256 = ?, size_bytes = ?, media_type = ?,"
        " starts = ?, crashes = CASE WHEN ? THEN 0 ELSE crashes END, pages_read = 0, code = '', detail = '',"
        " changed_ms = ? WHERE id = ?",
        (work.name, work.generation, work.sha256, work.size_bytes, work.media_type, starts + 1, is_new, now_ms(),
         work.document),
    )  # fmt: skip


def unbegin(db: apsw.Connection, document: str, generation: int) -> None:
    db.execute(
        "UPDATE documents SET starts = max(starts - 1, 0) WHERE id = ? AND generation = ?", (document, generation)
    )


def is_current(db: apsw.Connection, document: str, generation: int) -> bool:
    """Whether a generation may still become the document's newest version."""
    row = query_one(
        db,
        "SELECT 1 FROM documents WHERE id = ? AND generation = ? AND settled < ? AND state = 'reading'",
        (document, generation, generation),
    )
    return row is not None


def note_pages(db: apsw.Connection, document: str, generation: int, pages: int) -> None:
    db.execute("UPDATE documents SET pages_read = ? WHERE id = ? AND generation = ?", (pages, document, generation))


def count_crash(db: apsw.Connection, document: str, generation: int) -> int:
    """One more crash of the reader over this generation; how many there were."""
    return int(
        query_one(
            db,
            "UPDATE documents SET crashes = crashes + 1 WHERE id = ? AND generation = ? RETURNING crashes",
            (document, generation),
        )
        or 0
    )


def fail(db: apsw.Connection, document: str, generation: int, code: str, detail: str) -> bool:
    """Settle a generation as a failure; False where it is not current any more."""
    if not is_current(db, document, generation):
        return False
    db.execute(
        "UPDATE documents SET state = 'failed', settled = ?, code = ?, detail = ?, changed_ms = ? WHERE id = ?",
        (generation, code, detail, now_ms(), document),
    )
    return True


def settle_ready(db: apsw.Connection, document: str, generation: int, ver: int, media_type: str, original: str) -> None:
    db.execute(
        "UPDATE documents SET state = 'ready', settled = ?, ver = ?, media_type = ?, original = ?, code = '',"
        " detail = '', changed_ms = ? WHERE id = ?",
        (generation, ver, media_type, original, now_ms(), document),
    )


def statuses(db: apsw.Connection, ids: Sequence[str], embedders: EmbedderNames) -> list[DocumentStatus]:
    """Those of the documents that there are, in the order asked."""
    found: dict[str, DocumentStatus] = {}
    for row in query_all(
        db,
        f"SELECT {_COLUMNS} {_FROM} WHERE d.id IN (SELECT value FROM json_each(?))",  # noqa: S608  # constants
        (msgspec.json.encode(list(ids)).decode(),),
    ):
        found[row[0]] = _status(row, embedders)
    return [found[one] for one in dict.fromkeys(ids) if one in found]


def listed(
    db: apsw.Connection, space: str, prefix: str, after: tuple[str, str], limit: int, embedders: EmbedderNames
) -> list[DocumentStatus]:
    """Documents of a space whose names begin with `prefix`, behind `after` (a name and an id), by name."""
    rows = query_all(
        db,
        f"SELECT {_COLUMNS} {_FROM} WHERE d.space = ? AND d.name >= ? AND substr(d.name, 1, ?) = ?"
        " AND (d.name, d.id) > (?, ?) ORDER BY d.name, d.id LIMIT ?",
        (space, prefix, len(prefix), prefix, *after, limit),
    )
    return [_status(row, embedders) for row in rows]


def totals(db: apsw.Connection, space: str, prefix: str) -> tuple[int, int]:
    """How many documents such a list has, and how many pages without text they have."""
    row: Any = query_one(
        db,
        f"SELECT count(*), coalesce(sum(v.blank_pages), 0) {_FROM} WHERE d.space = ? AND substr(d.name, 1, ?) = ?",
        (space, len(prefix), prefix),
    )
    return int(row[0]), int(row[1])


def counts(db: apsw.Connection, spaces: Sequence[str]) -> dict[str, int]:
    """How many documents each of the spaces holds; those without any are left out."""
    rows = query_all(
        db,
        "SELECT space, count(*) FROM documents WHERE space IN (SELECT value FROM json_each(?)) GROUP BY space",
        (msgspec.json.encode(list(spaces)).decode(),),
    )
    return {row[0]: int(row[1]) for row in rows}


def spaces_of(db: apsw.Connection, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Under each id that was given out: space and name; the name is empty before it is read and from its erasure on."""
    asked = msgspec.json.encode(list(ids)).decode()
    found = {
        row[0]: (row[1], "")
        for row in query_all(
            db,
            "SELECT document, space FROM tombstones WHERE document IN (SELECT value FROM json_each(?1))"
            " UNION SELECT document, space FROM allotments WHERE document IN (SELECT value FROM json_each(?1))",
            (asked,),
        )
    }
    rows = query_all(
        db,
        "SELECT id, space, name FROM documents WHERE state <> 'erasing' AND id IN (SELECT value FROM json_each(?))",
        (asked,),
    )
    return found | {row[0]: (row[1], row[2]) for row in rows}


def _status(row: Any, embedders: EmbedderNames) -> DocumentStatus:
    outline = msgspec.msgpack.decode(row[11], type=Outline) if row[11] else Outline()
    return DocumentStatus(
        id=row[0], space=row[1], name=row[2], state=row[3], generation=row[4], version=row[5], media_type=row[6],
        size_bytes=row[7], sha256=row[8], pages=row[9], pages_read=row[10], characters=row[12],
        pages_without_text=list(outline.pages_without_text),
        pages_by_ocr=[page.number for page in outline.pages if page.ocr], hidden_characters=row[13],
        redactions=outline.redactions, vectors=_vectors(row, embedders), code=row[15], detail=row[16],
        has_original=bool(row[17]), parent=row[18], created_ms=row[19], changed_ms=row[20],
    )  # fmt: skip


def _vectors(row: Any, embedders: EmbedderNames) -> str:
    if not embedders.whole:
        return "off"
    # English passages have theirs first; the others follow.
    has_english = row[21] == embedders.english and bool(row[22])
    return "ready" if row[14] == embedders.whole or has_english else "waiting"
