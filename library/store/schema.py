"""The tables of the SQLite store, how a connection is opened, and the steps from older versions of the schema."""

from pathlib import Path
from typing import Final

import apsw

from contract.errors import SettingsError

VERSION: Final = 4
USABLE_FROM: Final = 4
"""The oldest version whose code works on these tables, since it can ignore what was added. Kept in the store, so that
a release can be taken back; what older code writes gets the defaults, and is brought up to date later."""

_BUSY_MS: Final = 10_000
_CACHE_KIB: Final = 16_384
_READ_CACHE_KIB: Final = 8_192

TABLES: Final = """
CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Which generation of a document was given out last, to which bytes. No row of `documents` before its work begins.
CREATE TABLE allotments(
  document TEXT PRIMARY KEY, generation INTEGER NOT NULL, sha256 TEXT NOT NULL, space TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE documents(
  doc INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  space TEXT NOT NULL,
  name TEXT NOT NULL,
  parent TEXT NOT NULL,
  publisher TEXT NOT NULL,
  client TEXT NOT NULL,
  state TEXT NOT NULL,
  generation INTEGER NOT NULL,          -- the newest that was taken up
  settled INTEGER NOT NULL DEFAULT 0,   -- the newest that ended as a version or a failure
  sha256 TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  ver INTEGER NOT NULL DEFAULT 0,       -- what is found now; 0: nothing
  starts INTEGER NOT NULL DEFAULT 0,    -- of the newest generation
  crashes INTEGER NOT NULL DEFAULT 0,   -- of its reader
  pages_read INTEGER NOT NULL DEFAULT 0,
  code TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT '',
  original TEXT NOT NULL DEFAULT '',    -- the SHA-256 of the original that is kept; empty: none
  created_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL
);
CREATE INDEX documents_by_name ON documents(space, name, id);
CREATE INDEX documents_by_parent ON documents(parent) WHERE parent <> '';

CREATE TABLE versions(
  ver INTEGER PRIMARY KEY AUTOINCREMENT,
  doc INTEGER NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,                   -- what its passages are indexed under
  sha256 TEXT NOT NULL,
  reader TEXT NOT NULL,
  rules TEXT NOT NULL,
  media_type TEXT NOT NULL,
  title TEXT NOT NULL,
  characters INTEGER NOT NULL,
  hidden_characters INTEGER NOT NULL,
  page_count INTEGER NOT NULL,
  outline BLOB NOT NULL,                -- pages, headings, hidden spans, pages without text, redactions
  blank_pages INTEGER NOT NULL,
  first INTEGER NOT NULL,               -- its passages are numbered first … last
  last INTEGER NOT NULL,
  embedder TEXT NOT NULL DEFAULT '',    -- whose vectors are there; empty: none
  created_ms INTEGER NOT NULL,
  replaced_ms INTEGER                   -- since when it is not found any more
);
CREATE INDEX versions_by_doc ON versions(doc, id);
CREATE INDEX versions_replaced ON versions(replaced_ms) WHERE replaced_ms IS NOT NULL;

CREATE TABLE texts(ver INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX texts_by_start ON texts(ver, start);

CREATE TABLE passages(
  passage INTEGER PRIMARY KEY AUTOINCREMENT,
  ver INTEGER NOT NULL,
  start INTEGER NOT NULL,
  end INTEGER NOT NULL,
  page INTEGER NOT NULL,
  hidden INTEGER NOT NULL,
  context TEXT NOT NULL,
  sentences BLOB NOT NULL
);

-- One row a version: sign bits of all its sentences' vectors, and which passage each sentence is in.
CREATE TABLE signs(ver INTEGER PRIMARY KEY, bits BLOB NOT NULL, counts BLOB NOT NULL);
CREATE TABLE vectors(passage INTEGER PRIMARY KEY, scales BLOB NOT NULL, codes BLOB NOT NULL);

-- Documents that were erased: no import up to this generation brings one back.
CREATE TABLE tombstones(
  document TEXT PRIMARY KEY, space TEXT NOT NULL, publisher TEXT NOT NULL, client TEXT NOT NULL,
  generation INTEGER NOT NULL, erased_ms INTEGER NOT NULL, versions TEXT NOT NULL, is_done INTEGER NOT NULL
) WITHOUT ROWID;

CREATE VIRTUAL TABLE words USING fts5(
  scope, context, body, content='', columnsize=1, detail=full,
  tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co M*' tokenchars '_'"
);
INSERT INTO words(words, rank) VALUES('secure-delete', 1);
"""
_OWED: Final = """
-- Results on the message bus that are deleted, where `erased` is still to be written.
CREATE TABLE owed_results(key TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_ROOT: Final = """
-- The files below DOCQA_ROOT as they were seen last; those that wait are the backlog of reading.
CREATE TABLE root_files(
  path TEXT PRIMARY KEY, document TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, waits INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX root_files_waiting ON root_files(path) WHERE waits;
"""
_ENGLISH: Final = """
-- The vectors of the embedder for English: of English passages alone, beside those of the one that reads all languages.
ALTER TABLE versions ADD COLUMN english_embedder TEXT NOT NULL DEFAULT '';
CREATE TABLE english_signs(ver INTEGER PRIMARY KEY, bits BLOB NOT NULL, counts BLOB NOT NULL);
CREATE TABLE english_vectors(passage INTEGER PRIMARY KEY, scales BLOB NOT NULL, codes BLOB NOT NULL);
"""
MIGRATIONS: Final[dict[int, str]] = {1: _OWED, 2: _ROOT, 3: _ENGLISH}
"""Under a version: what makes the next one of it."""


def open_writer(path: Path) -> apsw.Connection:
    """The one connection that writes; makes or migrates the tables. Raises SettingsError for a newer store."""
    connection = _open(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, _CACHE_KIB)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    # Freed pages are overwritten with zeroes: what was erased is not on the disk any more.
    connection.pragma("secure_delete", "on")
    connection.pragma("wal_autocheckpoint", 1000)
    _migrate(connection, path)
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """A connection that only reads."""
    connection = _open(path, apsw.SQLITE_OPEN_READONLY, _READ_CACHE_KIB)
    # How often each term is in the index: made for this connection alone.
    connection.execute("CREATE VIRTUAL TABLE temp.words_vocabulary USING fts5vocab(main, words, row)")
    connection.pragma("query_only", "on")
    return connection


def _open(path: Path, flags: int, cache_kib: int) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("cache_size", -cache_kib)
    connection.pragma("temp_store", "memory")
    return connection


def _migrate(connection: apsw.Connection, path: Path) -> None:
    found = int(connection.pragma("user_version") or 0)
    if found > VERSION:
        if int(connection.pragma("application_id") or found) <= VERSION:
            return
        raise SettingsError(
            f"{path} was written by a newer version (schema {found}, this one knows {VERSION}): "
            f"upgrade, or restore a backup."
        )
    while found < VERSION:
        step = MIGRATIONS[found] if found else TABLES
        following = found + 1
        with connection:
            connection.execute(step)
            connection.pragma("user_version", following)
        found = following
    if connection.pragma("application_id") != USABLE_FROM:
        connection.pragma("application_id", USABLE_FROM)
