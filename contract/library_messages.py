"""What is asked of the library and what it answers, and the work that brings a document in.

Requests travel as NATS requests on `docqa.library.<operation>.<publisher>.<client>`; the subject says for whom, and
nothing in a body grants anything. A reply is the operation's own Struct or a `Refusal`, at most half of the bus's
largest message: what is longer comes in pages. Offsets count code points of a version's canonical text; `end` is
exclusive; pages count from 1. Enumerations are plain strings, so that a reader takes values that it does not know.
"""

from typing import Annotated, Final, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta

from contract import lenient
from contract.documents import (
    DocumentId,
    DocumentStatus,
    Heading,
    Name,
    Offset,
    Page,
    Sha256,
    Space,
    Span,
)
from contract.errors import BadMessageError, LibraryRefusedError

T = TypeVar("T", bound=msgspec.Struct)

VERSION: Final = 1

TIMEOUT_S: Final = 2.0
"""How long a caller waits for a reply."""

MAX_DOCUMENTS: Final = 100
"""Documents that one request may name."""

RefusalCode = Literal[
    "bad-request",
    "document-gone",
    "document-not-ready",
    "library-full",
    "library-unavailable",
    "root-read-only",
    "space-gone",
    "space-read-only",
    "too-large",
]
"""What this version writes as a refusal's code. Somebody else's document or space is `-gone`, as one that never was."""
REFUSAL_CODES: Final = frozenset(get_args(RefusalCode))


class ImportWork(msgspec.Struct, frozen=True, kw_only=True):
    """Work on DOCQA_IMPORTS: the file in the spool is to become a version. The subject names all else.

    The library checks the bytes against `sha256`; `media_type` and `name` are hints, the content decides.
    """

    v: int = VERSION
    space: str
    """Full: a client's own space is `<publisher>.<client>`."""
    name: Name
    sha256: Sha256
    size_bytes: int
    media_type: str = ""
    parent: str = ""
    """The document that this was attached to; empty: none."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The library's refusal of a request: a code and one sentence for its user."""

    refused: str
    """One of RefusalCode, or a newer one."""
    detail: str
    retry_after_s: int = 0
    """When to try again; 0: trying again does not help."""


class StatusRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Ask for documents by id (operation `status`)."""

    documents: Annotated[list[DocumentId], Meta(min_length=1, max_length=MAX_DOCUMENTS)]
    counts: bool = False
    """Ask for `counts` too; only the ingress gets them."""
    problems: bool = False
    """Ask for what is wrong with the library now too; only the ingress gets it."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many documents the whole library keeps, has still to read, reads, and could not read."""

    documents: int
    waiting: int
    """On the message bus, and below DOCQA_ROOT."""
    reading: int
    failed: int


class StatusReply(msgspec.Struct, frozen=True, kw_only=True):
    """Those that there are for the caller, in the order asked; one that is missing does not exist for it."""

    documents: list[DocumentStatus]
    counts: Counts | None = None
    problems: list[str] = []
    """Of the library itself: a sentence each."""


class ListRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for the documents of a space (operation `list`), in the order of their names."""

    space: Space = ""
    name: str = ""
    """Only names that begin with this."""
    cursor: str = ""
    """Where the page before ended, as its reply says."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class ListReply(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list."""

    documents: list[DocumentStatus]
    cursor: str = ""
    """Of the next page; empty: this was the last one."""
    total: int = 0
    """Documents of the whole list."""
    pages_without_text: int = 0
    """In the whole list."""
    spaces: list[str] = []
    """All that the caller may read."""


class SpacesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for all spaces that the caller may read (operation `spaces`)."""


class SpaceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A space as who may read it sees it. `name` is what a question's or an upload's `space` says."""

    name: str
    documents: int
    """As many as the caller may read."""
    may_write: bool
    is_own: bool = False
    """True for the one that is the caller's alone."""


class SpacesReply(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's own space first, then the shared ones by name, then `root`."""

    spaces: list[SpaceInfo]


class ScanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a look at DOCQA_ROOT (operation `scan`, for administrators)."""

    confirm_removals: bool = False
    """True: what is missing was removed on purpose, however much it is."""


class OddFile(msgspec.Struct, frozen=True, kw_only=True):
    """An entry below DOCQA_ROOT that is left alone."""

    path: str
    why: str


class ScanReply(msgspec.Struct, frozen=True, kw_only=True):
    """What the look found."""

    files: int
    waiting: int
    """Of `files`, those that are still to be read."""
    odd: list[OddFile] = []
    """At most a hundred of them."""
    odd_count: int = 0
    removals_held: int = 0
    """Files that are missing, and whose documents stay until this is confirmed."""
    problem: str = ""
    """Why nothing was found or nothing removed, in one sentence; empty: all is well."""


class TextRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a document's canonical text (operations `text`, for users, and `read`, for workers)."""

    document: DocumentId
    version: str = ""
    """Empty: the newest. A replaced one is kept for DOCQA_VERSIONS_KEEP_DAYS."""
    page: int = 0
    """From 1 on: only this page; 0: by offsets."""
    start: Offset = 0
    end: Offset | None = None
    """None: to the end, or as far as a reply reaches."""


class TextReply(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a version's canonical text, and what is known of its parts that begin in it."""

    document: str
    version: str
    name: str
    space: str
    text: str
    start: int
    end: int
    characters: int
    """Of the whole version."""
    next: int | None = None
    """Where to go on asking; None: all that was asked for is here."""
    page_count: int = 0
    pages: list[Page] = []
    headings: list[Heading] = []
    sentences: list[Span] = []
    """Only for `read`."""
    hidden: list[Span] = []


class OriginalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a piece of the newest original (operation `original`), unsanitized: only for who may write the space."""

    document: DocumentId
    start: Offset = 0


class OriginalReply(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of an original from `start` on; base64 in JSON."""

    name: str
    media_type: str
    sha256: str
    size_bytes: int
    start: int
    content: bytes
    next: int | None = None


class PutRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a place for a file (operation `put`), before its spool file and its work are published.

    The asker has the bytes already: `sha256` is theirs. With `document` they are its next version; without, the id
    follows from space, name and content.
    """

    name: Name
    sha256: Sha256
    size_bytes: Annotated[int, Meta(ge=0)]
    space: Space = ""
    document: DocumentId | None = None
    media_type: str = ""


class PutReply(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with the file. `queued`: publish it, under this id and generation (again does no harm).

    `reading` and `ready`: the library has these very bytes already; drop the file.
    """

    document: str
    generation: int
    state: str
    space: str
    """Full, as ImportWork wants it."""
    name: str
    retry_after_s: int = 1
    """What to tell a client if the stream refuses: when the next place will be free."""


class DeleteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a document to be erased (operation `delete`)."""

    document: DocumentId


class DeleteReply(msgspec.Struct, frozen=True, kw_only=True):
    """`erasing`: it cannot be read any more; `erased`: no file holds its text any more."""

    document: str
    state: str


class ErasedNotice(msgspec.Struct, frozen=True, kw_only=True):
    """Published by the library (operation `erased`, for the space's owner): workers forget these texts, then reply."""

    document: str
    versions: list[str] = []


class ErasedReply(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's word that none of its caches holds the document any more."""

    worker: str


class SnapshotRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a copy of the store that a backup can take (operation `snapshot`; the administrator only)."""

    is_done: bool = False  # the copy was read, and the library removes it


class SnapshotReply(msgspec.Struct, frozen=True, kw_only=True):
    """A file below the library's folder: the store as it was at one moment. The asker says when it may go."""

    file: str
    size_bytes: int


_encoder = msgspec.json.Encoder()
_refusal_decoder = msgspec.json.Decoder(Refusal)
_MARK = b'{"refused":'


def encode(message: msgspec.Struct) -> bytes:
    return _encoder.encode(message)


def decode_request(kind: type[T], body: bytes) -> T:
    """Decode what a caller asks, or an ImportWork, as leniently as a question.

    Raises BadMessageError with a sentence that names the field.
    """
    try:
        fields = msgspec.json.decode(body.removeprefix(lenient.BYTE_ORDER_MARK))
        return msgspec.convert(lenient.normalized(fields) if isinstance(fields, dict) else fields, kind)
    except msgspec.ValidationError as error:
        what, _, field = str(error).partition(" - at `$.")
        raise BadMessageError(
            f"Field `{field.rstrip('`')}`: {what[0].lower()}{what[1:]}." if field else f"{what}."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadMessageError("The body is not JSON that can be read.") from None


def decode_reply(kind: type[T], body: bytes) -> T:
    """Decode the library's reply; raises LibraryRefusedError with its code and sentence where it refused."""
    try:
        if body.startswith(_MARK):
            refusal = _refusal_decoder.decode(body)
            raise LibraryRefusedError(refusal.refused, refusal.detail, refusal.retry_after_s)
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise LibraryRefusedError("library-unavailable", "The library's reply can't be read.") from None
