"""What comes of reading a file: its text with pages and headings, or a failure in one sentence.

All offsets count code points of the canonical text. Knows no file format and no process.
"""

from typing import IO, Literal

import msgspec

FailureCode = Literal[
    "unsupported",  # no format that is read here
    "program-missing",  # the format is read by a program that is not installed
    "empty",  # not one byte
    "no-text",  # a document of images, or of nothing
    "encrypted",  # a password is needed
    "damaged",  # cut off, or not what it claims to be
    "unsafe",  # XML entities and the like
    "too-large",  # unpacked or as text
    "too-many-pages",
    "too-deep",  # nested further than any honest document
    "too-much-memory",
    "took-too-long",
    "reader-crashed",
]

# A second try may end differently: the machine was short of memory or time, not the document at fault.
_MAY_PASS: frozenset[FailureCode] = frozenset({"reader-crashed", "took-too-long", "too-much-memory"})


class ReadingFailed(Exception):  # noqa: N818 (an end that a document comes to, not a fault of the program)
    """A file gave no text; `sentence` says why and what to do, and holds nothing of the file's content."""

    def __init__(self, code: FailureCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code: FailureCode = code
        self.sentence = sentence

    @property
    def may_pass(self) -> bool:
        """True where reading the same file again may succeed."""
        return self.code in _MAY_PASS


def too_deep(depth: int) -> ReadingFailed:
    """The failure of a document that nests further."""
    return ReadingFailed("too-deep", f"The document nests more than {depth} elements: it is no honest one.")


class Page(msgspec.Struct, frozen=True, array_like=True):
    """`text[start:end]` is this page (PDF), slide (PPTX) or sheet (XLSX); pages follow each other without overlap."""

    start: int
    end: int
    label: str = ""  # a sheet's name; empty: pages are numbered from 1
    ocr: bool = False  # read from an image by character recognition


class Heading(msgspec.Struct, frozen=True, array_like=True):
    """`text[start:end]` is a heading; level 1 is the highest of six."""

    start: int
    end: int
    level: int


HiddenReason = Literal["invisible", "colour", "size", "off-page", "covered", "markup"]


class Hidden(msgspec.Struct, frozen=True, array_like=True):
    """`text[start:end]` can't be seen by who looks at the document; it is no evidence for an answer."""

    start: int
    end: int
    reason: HiddenReason


class Progress(msgspec.Struct, frozen=True, array_like=True, tag="progress"):
    """How far reading is; `pages` is 0 for formats without pages."""

    pages_read: int
    pages: int


class Attachment(msgspec.Struct, frozen=True):
    """A file inside a message: a document of its own. The caller closes `file`, which is at its beginning."""

    name: str
    media_type: str  # as the message claims; reading goes by content
    file: IO[bytes]
    size_bytes: int


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A document as text. `pages` is empty for formats that have none (HTML, Markdown, DOCX, mail …).

    `pages_without_text` counts from 1. `sandbox` names the barriers that held around the process that read it.
    """

    text: str
    media_type: str
    title: str = ""
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    pages_without_text: tuple[int, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    sandbox: tuple[str, ...] = ()
