"""One reader's process, from outside: starts it, takes its frames, and ends it, whatever it does.

The process gets the open file, an empty environment and nothing else; its word is checked.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from library.readers.limits import Limits
from library.readers.process.frames import (
    AttachmentPiece,
    AttachmentStart,
    Failed,
    Finished,
    Frame,
    TextPiece,
    receive,
)
from library.readers.process.order import Order
from library.readers.reading import Attachment, Progress, Reading, ReadingFailed

_BUFFER_BYTES = 1024 * 1024
ENVIRONMENT = {"LC_ALL": "C.UTF-8"}
_SENTENCE_CHARS = 400
NAME_CHARS = 1000

OnProgress = Callable[[Progress], None]


class Outcome(msgspec.Struct, frozen=True):
    """A reading; `has_images`: on pages without text there is something that may be read by other means."""

    reading: Reading
    has_images: bool


async def run_reader(descriptor: int, order: Order, on_progress: OnProgress | None, folder: Path | None) -> Outcome:
    """One process's reading of the file. Raises ReadingFailed. Cancelled, it ends the process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-B", "-X", "utf8", "-m", "library.readers", msgspec.json.encode(order)),
        stdin=descriptor,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
        limit=_BUFFER_BYTES,
    )
    assembly = Assembly(order.limits, on_progress, folder)
    try:
        async with asyncio.timeout(order.limits.wall_s):
            await assembly.take(process)
        return assembly.outcome()
    except TimeoutError:
        raise ReadingFailed("took-too-long", _too_long(order.limits.wall_s)) from None
    except asyncio.IncompleteReadError:
        raise _ended_early(await process.wait(), order.limits) from None
    except msgspec.MsgspecError:
        raise ReadingFailed(
            "reader-crashed", "The reader's process sent what it should not: the file is suspect."
        ) from None
    finally:
        assembly.close_unless_whole()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())


def _too_long(seconds: float) -> str:
    return f"Reading the file took longer than {seconds:.0f} seconds: split it or save it again."


def _ended_early(status: int, limits: Limits) -> ReadingFailed:
    if status == -signal.SIGXCPU:
        return ReadingFailed("took-too-long", _too_long(limits.cpu_s))
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return ReadingFailed("reader-crashed", f"The reader's process ended over this file ({how}): save it again.")


class Assembly:
    """Puts a reading together from frames, within bounds."""

    def __init__(self, limits: Limits, on_progress: OnProgress | None, folder: Path | None) -> None:
        self._limits = limits
        self._on_progress = on_progress
        self._folder = folder
        self._pieces: list[str] = []
        self._chars = 0
        self._attachments: list[tuple[str, str, IO[bytes]]] = []
        self._attached_bytes = 0
        self._finished: Finished | None = None
        self._is_whole = False

    async def take(self, process: asyncio.subprocess.Process) -> None:
        """Frames until the last one. Raises ReadingFailed as the child says."""
        stream = process.stdout
        while stream is not None and self._finished is None:
            self.put(await receive(stream))

    def put(self, frame: Frame) -> None:
        """Take one frame. Raises msgspec.ValidationError past a limit, ReadingFailed as the child says."""
        match frame:
            case Progress():
                if self._on_progress is not None:
                    self._on_progress(frame)
            case TextPiece(text):
                self._chars += len(text)
                if self._chars > self._limits.text_chars:
                    raise msgspec.ValidationError("more text than the limit")
                self._pieces.append(text)
            case AttachmentStart(name, media_type):
                if len(self._attachments) >= self._limits.attachments:
                    raise msgspec.ValidationError("more attachments than the limit")
                file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (the reading's user closes it)
                self._attachments.append((name[:NAME_CHARS], media_type[:NAME_CHARS], file))
            case AttachmentPiece(data):
                self._attach(data)
            case Failed(code, sentence):
                raise ReadingFailed(code, "".join(c for c in sentence if c.isprintable())[:_SENTENCE_CHARS])
            case Finished():
                self._finished = frame

    def _attach(self, data: bytes) -> None:
        self._attached_bytes += len(data)
        if not self._attachments or self._attached_bytes > self._limits.attachments_bytes:
            raise msgspec.ValidationError("more bytes of attachments than the limit")
        self._attachments[-1][2].write(data)

    def outcome(self) -> Outcome:
        """The whole. Raises msgspec.ValidationError where spans lie outside of the text."""
        finished = self._finished
        if finished is None:
            raise msgspec.ValidationError("the reading is not finished")
        text = "".join(self._pieces)
        _check_spans(finished, len(text))
        self._is_whole = True
        reading = Reading(
            text=text,
            media_type=finished.media_type,
            title=finished.title,
            pages=tuple(finished.pages),
            headings=tuple(finished.headings),
            hidden=tuple(finished.hidden),
            pages_without_text=tuple(finished.pages_without_text),
            attachments=tuple(self._rewound()),
            sandbox=tuple(finished.sandbox),
        )
        return Outcome(reading, finished.has_images)

    def _rewound(self) -> list[Attachment]:
        attachments = []
        for name, media_type, file in self._attachments:
            size = file.tell()
            file.seek(0)
            attachments.append(Attachment(name, media_type, file, size))
        return attachments

    def close_unless_whole(self) -> None:
        """Free the attachments of an abandoned reading."""
        if not self._is_whole:
            for _, _, file in self._attachments:
                file.close()


def _check_spans(finished: Finished, length: int) -> None:
    """In order, without overlap, inside of the text."""
    for spans in (finished.pages, finished.headings, finished.hidden):
        position = 0
        for span in spans:
            if not position <= span.start <= span.end <= length:
                raise msgspec.ValidationError("a span outside of the text")
            position = span.end
    if any(not 1 <= number <= len(finished.pages) for number in finished.pages_without_text):
        raise msgspec.ValidationError("a page that is not there")
