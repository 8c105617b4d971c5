"""A store in a folder of its own, and documents that a test puts into it as the library does."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from contract.documents import Page, Span, document_id, version_id
from library.imports.cutting import cut
from library.store.records import Import, Prepared
from library.store.sqlite import SqliteStore

SPACE = "http.local"


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def prepared(
    text: str,
    name: str = "lease.txt",
    reader: str = "1",
    pages: tuple[Page, ...] = (),
    hidden: tuple[Span, ...] = (),
    rules: str = "1",
) -> Prepared:
    """What the library makes of a text."""
    sha256 = sha256_of(text)
    return Prepared(
        version=version_id(sha256, reader, rules),
        sha256=sha256,
        reader=reader,
        rules=rules,
        media_type="text/plain",
        title="",
        text=text,
        pages=pages,
        hidden=hidden,
        passages=cut(text, name, "", pages, hidden),
    )


def begun(store: SqliteStore, text: str, name: str = "lease.txt", space: str = SPACE, document: str = "") -> Import:
    """An import that was placed and taken up."""
    sha256 = sha256_of(text)
    document = document or document_id(space, name, sha256)
    placed = store.place(document, space, sha256)
    publisher, _, client = space.partition(".") if "." in space else ("http", "", "local")
    work = Import(
        document=document,
        generation=placed.generation,
        publisher=publisher,
        client=client,
        space=space,
        name=name,
        sha256=sha256,
        size_bytes=len(text.encode()),
    )
    assert store.begin(work) is not None
    return work


def stored(store: SqliteStore, text: str, name: str = "lease.txt", space: str = SPACE, document: str = "") -> str:
    """The id of a document that is ready."""
    work = begun(store, text, name, space, document)
    assert store.commit(work.document, work.generation, prepared(text, name), "")
    return work.document


def files_that_hold(folder: Path, words: list[bytes]) -> Iterator[tuple[Path, bytes]]:
    """The files of a folder whose raw bytes hold one of the words, in any case, and which."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            content = file.read_bytes().lower()
            yield from ((file, word) for word in words if word.lower() in content)
