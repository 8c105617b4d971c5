"""What a document is called and how it is described: ids, folders, state, pages, headings and spans of its text.

Offsets count code points of a version's canonical text; `end` is exclusive; pages count from 1. Enumerations are plain
strings, so that a reader takes values that it does not know.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from contract.topology import derived_id

LIBRARY_FOLDER: Final = "library"
"""Below the data folder: all that the library keeps."""
SPOOL_FOLDER: Final = "spool"
"""Below the library's folder: files that were accepted and are not read yet, named by `ImportName.spool_name`."""
GRANTS_FILE: Final = "grants.json"
"""Below the library's folder: see `contract.grants_file`."""

FREE_FLOOR_BYTES: Final = 2**30
"""With less free on the disk nothing more is taken: a full disk would stop the bus."""

MAX_NAME_CHARS: Final = 1024

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS, description="A document's name.")]
DocumentId = Annotated[str, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
VersionId = DocumentId
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Space = Annotated[str, Meta(max_length=130, description="A shared space, `root`, or empty: the caller's own.")]
Offset = Annotated[int, Meta(ge=0)]

DocumentState = Literal["queued", "reading", "ready", "failed", "erasing", "erased"]
"""What this version writes as a document's state."""

Vectors = Literal["off", "waiting", "ready"]
"""Whether a version can be found by meaning: no embedder, not computed yet, or computed."""


def root_overlaps(root: Path, data_dir: Path) -> bool:
    """Whether following `root` would read the data folder: one is within the other, under no name with a dot first."""
    outer, inner = root.resolve(), data_dir.resolve()
    if outer.is_relative_to(inner):
        return True
    return inner.is_relative_to(outer) and not any(p.startswith(".") for p in inner.relative_to(outer).parts)


def document_id(space: str, name: str, sha256: str) -> str:
    """The id of the document that a first upload makes; `space` is the full name, also of a client's own.

    The same content under the same name in the same space is the same document; a PUT changes its content, not its id.
    """
    return derived_id("document", space, name, sha256)


def version_id(sha256: str, reader: str, rules: str) -> str:
    """The id of what `reader` makes of these bytes under these rules of redaction (names with their versions)."""
    return derived_id("version", sha256, reader, rules)


class Page(msgspec.Struct, frozen=True, array_like=True):
    """A page's span of the canonical text."""

    number: int
    start: int
    end: int
    label: str = ""
    """What its document calls it, such as a sheet's name; empty: by its number."""
    ocr: bool = False
    """Whether it was read from an image: its characters may be wrong."""


class Heading(msgspec.Struct, frozen=True, array_like=True):
    """A heading of the canonical text; level 1 is the highest."""

    level: int
    start: int
    end: int


class Span(msgspec.Struct, frozen=True, array_like=True):
    """`text[start:end]`."""

    start: int
    end: int


class DocumentStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A document as its readers see it."""

    id: str
    space: str
    name: str
    state: str
    """One of DocumentState: how far the newest generation is."""
    generation: int
    version: str = ""
    """What searches find now; while a replacement is read or failed, still the one before. Empty: nothing yet."""
    media_type: str = ""
    size_bytes: int = 0
    sha256: str = ""
    pages: int = 0
    """Of `version`; 0 where the format has none."""
    pages_read: int = 0
    """While reading: pages so far."""
    pages_without_text: list[int] = []
    pages_by_ocr: list[int] = []
    """Read from images by character recognition."""
    characters: int = 0
    hidden_characters: int = 0
    """Of `characters`, those that a reader of the original does not see."""
    redactions: dict[str, int] = {}
    """By kind: how many were taken out of the text."""
    vectors: str = "off"
    """One of Vectors."""
    code: str = ""
    """Why it failed: a reader's code, `attempts-exhausted`, or a RefusalCode."""
    detail: str = ""
    """The same as one sentence."""
    has_original: bool = False
    parent: str = ""
    created_ms: int = 0
    changed_ms: int = 0
    """Milliseconds since the epoch."""
