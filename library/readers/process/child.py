"""What the reader's process does: bind itself, recognise the file, shut itself in, read, and send frames.

Knows nothing of who asked; leaves every format to its own module.
"""

import codecs
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from library.readers import limits as bounds
from library.readers.canonical import Canvas
from library.readers.formats import Enclosed, Format, Reader, reader_of
from library.readers.limits import Limits
from library.readers.process import sandbox
from library.readers.process.frames import (
    PIECE_BYTES,
    AttachmentPiece,
    AttachmentStart,
    Failed,
    Finished,
    TextPiece,
    send,
)
from library.readers.process.order import Order
from library.readers.reading import Progress, ReadingFailed
from library.readers.recognise import recognise
from library.readers.source import Source, open_source

# Loaded from files by name when first used, which is too late inside the sandbox.
_ENCODINGS = [
    "ascii",
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-le",
    "utf-32-be",
    "utf-7",
    "latin-1",
    "iso8859-15",
    "iso8859-2",
    "iso8859-3",
    "iso8859-4",
    "iso8859-5",
    "iso8859-6",
    "iso8859-7",
    "iso8859-8",
    "iso8859-9",
    "iso8859-10",
    "iso8859-13",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp1258",
    "cp437",
    "cp850",
    "cp866",
    "cp874",
    "cp932",
    "cp936",
    "cp949",
    "cp950",
    "koi8-r",
    "koi8-u",
    "mac-roman",
    "shift_jis",
    "euc-jp",
    "iso2022-jp",
    "euc-kr",
    "gb2312",
    "gbk",
    "gb18030",
    "big5",
    "hz",
    "tis-620",
    "idna",
    "punycode",
    "quopri",
    "base64",
    "uu",
]
_PROGRESS_EVERY = 10  # pages


def main(argument: str) -> int:
    """Read standard input as a file and send what it holds to standard output; 0, also where reading failed."""
    order = msgspec.json.decode(argument, type=Order)
    pipe = sys.stdout.buffer
    sandbox.die_with_parent(order.parent)
    bounds.apply(order.limits, "program" if order.tesseract else "reader")
    try:
        _read(order, pipe)
    except ReadingFailed as failure:
        send(pipe, Failed(failure.code, failure.sentence))
    except MemoryError:
        send(pipe, Failed("too-much-memory", _too_much_memory(order.limits)))
    except RecursionError:
        send(pipe, Failed("too-deep", "The file nests its parts too deeply to be an honest document."))
    return 0


def _read(order: Order, pipe: BinaryIO) -> None:
    source = open_source(sys.stdin.fileno(), order.name, order.media_type, order.tesseract)
    kind = _recognised(source)
    read = reader_of(kind)  # imported from files, so before they are out of reach
    held = _shut_in(order)
    canvas = Canvas(order.limits, _progress(pipe))
    attachments = _guarded(read, source, canvas, kind)
    text = canvas.finish()
    if not text.strip() and not attachments:
        raise _without_text(canvas, is_recognised=bool(order.tesseract))
    for start in range(0, len(text), PIECE_BYTES // 4):
        send(pipe, TextPiece(text[start : start + PIECE_BYTES // 4]))
    for attachment in attachments:
        send(pipe, AttachmentStart(attachment.name, attachment.media_type))
        for start in range(0, len(attachment.data), PIECE_BYTES):
            send(pipe, AttachmentPiece(attachment.data[start : start + PIECE_BYTES]))
    send(
        pipe,
        Finished(
            kind.media_type,
            canvas.title,
            canvas.pages,
            canvas.headings,
            canvas.hidden,
            canvas.pages_without_text,
            held,
            canvas.has_images,
        ),
    )


def _shut_in(order: Order) -> list[str]:
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)
    if order.tesseract:
        return sandbox.enter_for_program(order.parent, (*sandbox.PROGRAMS, Path(order.tesseract).parent))
    return sandbox.enter(order.parent)


def _recognised(source: Source) -> Format:
    try:
        return recognise(source)
    except (ReadingFailed, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise ReadingFailed(
            "damaged", f"The file is damaged or cut off ({type(error).__name__}): send it again, or save it again."
        ) from error


def _guarded(read: Reader, source: Source, canvas: Canvas, kind: Format) -> list[Enclosed]:
    """Whatever a library raises over a file that it can't read is one sentence."""
    try:
        return list(read(source, canvas))
    except (ReadingFailed, MemoryError, RecursionError):
        raise
    except Exception as error:
        # The text of the error may quote the file: only its kind is said.
        raise ReadingFailed(
            "damaged",
            f"The file is damaged, cut off or no {kind.label} ({type(error).__name__}): open and save it again.",
        ) from error


def _progress(pipe: BinaryIO) -> Callable[[int, int], None]:
    def progress(pages_read: int, pages: int) -> None:
        if pages_read % _PROGRESS_EVERY == 0 or pages_read == pages:
            send(pipe, Progress(pages_read, pages))

    return progress


def _without_text(canvas: Canvas, *, is_recognised: bool) -> ReadingFailed:
    if not canvas.pages:
        return ReadingFailed("no-text", "The document holds no text.")
    count = len(canvas.pages)
    pages = "its one page is an image or empty" if count == 1 else f"its {count:,} pages are images or empty"
    remedy = (
        "Character recognition found none either."
        if is_recognised
        else "To have images read, install tesseract (Debian: tesseract-ocr) and its languages on the machine of the"
        " library, with DOCQA_OCR=auto."
    )
    return ReadingFailed("no-text", f"The document has no text: {pages}. {remedy}")


def _too_much_memory(limits: Limits) -> str:
    return (
        f"Reading the file took more than {limits.memory_bytes // 1024**2:,} MiB of memory: split it or save it again."
    )
