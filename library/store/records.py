"""What goes into the store and comes out of it. Knows no database.

All offsets count code points of a version's canonical text; `end` is exclusive.
"""

from typing import NamedTuple

import msgspec

from contract.documents import Heading, Page, Span


class Sentence(msgspec.Struct, frozen=True, array_like=True):
    """A sentence with what `contract.evidence.Sentence` knows of it; offsets count from its passage's start."""

    start: int
    end: int
    kind: str
    block: int
    above: tuple[tuple[int, int], ...] = ()
    """Ranges of the passage's context with its text behind it, which is what is ranked."""


class Passage(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of some hundred characters that is found as a whole."""

    start: int
    end: int
    page: int
    """Where it begins; 0 where the format has no pages."""
    context: str
    """The headings, heads of tables and leads of lists that its sentences stand under, one a line."""
    sentences: tuple[Sentence, ...]
    terms: str
    """What its words are indexed as, see `library.store.terms`."""
    context_terms: str
    """The same for its context, the document's title and name."""
    is_hidden: bool = False


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is ready to be stored: sanitized, cut, and nothing missing but its vectors."""

    version: str
    sha256: str
    reader: str
    rules: str
    media_type: str
    title: str
    text: str
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    hidden: tuple[Span, ...] = ()
    pages_without_text: tuple[int, ...] = ()
    redactions: dict[str, int] = {}
    passages: tuple[Passage, ...] = ()

    @property
    def hidden_characters(self) -> int:
        return sum(span.end - span.start for span in self.hidden)


class Placed(msgspec.Struct, frozen=True):
    """The answer to a put: which generation the bytes have, and how far they are."""

    document: str
    generation: int
    state: str


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """Work that the library took: what it knows when it begins to read."""

    document: str
    generation: int
    publisher: str
    client: str
    space: str
    name: str
    sha256: str
    size_bytes: int
    media_type: str = ""
    parent: str = ""


class Found(msgspec.Struct, frozen=True):
    """A candidate passage: its number in the store, and how well its words match (the larger the better)."""

    passage: int
    score: float


class StoredPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage as a search needs it."""

    number: int
    document: str
    version: str
    space: str
    name: str
    page: int
    start: int
    end: int
    context: str
    text: str
    sentences: tuple[Sentence, ...]
    is_hidden: bool


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a version's canonical text, with what begins in it."""

    document: str
    version: str
    space: str
    name: str
    text: str
    start: int
    end: int
    characters: int
    page_count: int
    pages: list[Page]
    headings: list[Heading]
    hidden: list[Span]
    sentences: list[Span]


class EmbedderNames(NamedTuple):
    """Whose vectors count; empty: there is no such embedder."""

    whole: str = ""
    """Reads every language."""
    english: str = ""


class Unembedded(msgspec.Struct, frozen=True):
    """A version whose sentences have no vectors of the embedder yet."""

    number: int
    document: str


class Erasure(msgspec.Struct, frozen=True):
    """A document that is to leave no trace."""

    document: str
    publisher: str
    client: str
    versions: tuple[str, ...]


class Made(NamedTuple):
    """Who makes versions now: the reader, and the name of the rules of redaction."""

    reader: str
    rules: str


class Stat(NamedTuple):
    """What tells a file of the root from another one, and whether it changed; a mount may change the device."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int

    def is_same_file(self, other: "Stat") -> bool:
        """The same content, under whatever name."""
        return self[1:] == other[1:]


class Usage(msgspec.Struct, frozen=True):
    """What the store holds."""

    documents: int
    versions: int
    passages: int
    store_bytes: int
    originals_bytes: int
