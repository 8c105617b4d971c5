"""A search in documents, and the passages that it finds (operation `search` of `contract.library_messages`)."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from contract.documents import MAX_NAME_CHARS, DocumentId, Space
from contract.library_messages import MAX_DOCUMENTS

MAX_QUERY_CHARS: Final = 8192
MAX_HITS: Final = 100


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for what answers a query best (operation `search`), within what the caller may read.

    At most one of `documents`, `space` and `path` is given; without any, all that the caller may read is searched.
    """

    query: Annotated[str, Meta(min_length=1, max_length=MAX_QUERY_CHARS)]
    documents: Annotated[list[DocumentId], Meta(max_length=MAX_DOCUMENTS)] = []
    space: Space = ""
    path: Annotated[str, Meta(max_length=MAX_NAME_CHARS)] = ""
    """A file or a folder of `root`."""
    limit: Annotated[int, Meta(ge=1, le=MAX_HITS)] = 10
    hidden: bool = False
    """True: also text that a reader of the original does not see."""


class SentenceHit(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence of a passage that was found, and how well it answers; see `contract.evidence.rank`."""

    start: int
    end: int
    score: float
    coverage: float = 0.0
    """The share of the query's words that it holds, weighted."""
    cosine: float | None = None
    """Its vector's similarity to the query's; None where there is no vector."""
    page: int = 0
    """Where it begins; 0 where that is not known beyond the passage's page."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that was found. `page` is where it begins; 0 where the format has none."""

    document: str
    version: str
    space: str
    name: str
    page: int
    start: int
    end: int
    text: str
    """`canonical text[start:end]`."""
    score: float
    coverage: float = 0.0
    cosine: float | None = None
    sentences: list[SentenceHit] = []
    """The passage's, best first."""


class SearchReply(msgspec.Struct, frozen=True, kw_only=True):
    """The best passages, best first."""

    hits: list[Hit]
    not_ready: list[str] = []
    """Of the documents that were named, those that are still being read."""
    vectors: bool = False
    """Whether meaning was asked for too, or words alone."""
    names_absent: bool = False
    """Whether the query has a name of several words that stand side by side in none of the documents searched."""
