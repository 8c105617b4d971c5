"""Reads a file: strictly shut in first; with a program of the system where that is what it takes and it is there.

Knows no format; each reading is a process of its own (reader_process.py).
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from library.readers.formats import DOC
from library.readers.limits import Limits
from library.readers.process import convert
from library.readers.process.order import Order
from library.readers.process.programs import Programs
from library.readers.process.reader_process import ENVIRONMENT, NAME_CHARS, OnProgress, Outcome, run_reader
from library.readers.reading import Reading, ReadingFailed

_DEFAULTS = Limits()
_NO_PROGRAMS = Programs()
_OCR_TIMES = 10  # as long as other reading may an image's take
_LOWEST = 19


async def read_file(
    file: Path | int,
    *,
    name: str = "",
    media_type: str = "",
    limits: Limits = _DEFAULTS,
    on_progress: OnProgress | None = None,
    attachments_in: Path | None = None,
    programs: Programs = _NO_PROGRAMS,
) -> Reading:
    """The canonical text of a regular file, given by its path or by a descriptor that is open for reading.

    `name` and `media_type` are the sender's claims; they matter only where kinds of text look alike. Attachments
    are written to unnamed files in `attachments_in` (None: the system's folder for such files). `programs` says
    what of the system may be used (`programs.installed()`): tesseract for pages without text, LibreOffice for DOC.
    Raises ReadingFailed, and OSError where the path can't be opened. Cancelled, it ends the process.
    """
    descriptor = file if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    order = Order(limits, os.getpid(), name[-NAME_CHARS:], media_type[:NAME_CHARS])
    try:
        return await _read(descriptor, order, on_progress, attachments_in, programs)
    finally:
        if not isinstance(file, int):
            os.close(descriptor)


async def _read(
    descriptor: int, order: Order, on_progress: OnProgress | None, folder: Path | None, programs: Programs
) -> Reading:
    outcome: Outcome | ReadingFailed
    try:
        outcome = await run_reader(descriptor, order, on_progress, folder)
    except ReadingFailed as failure:
        outcome = failure
    match outcome:
        case Outcome(reading, has_images):
            if not (has_images and programs.tesseract):
                return reading
        case ReadingFailed(code="program-missing") if programs.soffice:
            return await _converted(descriptor, order, on_progress, folder, programs.soffice)
        case ReadingFailed(code="no-text") if programs.tesseract:
            pass
        case ReadingFailed():
            raise outcome
    return await _recognised(descriptor, order, on_progress, folder, programs.tesseract, outcome)


async def _recognised(
    descriptor: int,
    order: Order,
    on_progress: OnProgress | None,
    folder: Path | None,
    tesseract: Path,
    without: Outcome | ReadingFailed,
) -> Reading:
    """Once more with the program; where it fails over its work, what was read without it is not lost."""
    limits = order.limits
    patient = msgspec.structs.replace(
        limits, cpu_s=limits.cpu_s * _OCR_TIMES, wall_s=limits.wall_s * _OCR_TIMES, niceness=_LOWEST
    )
    order = msgspec.structs.replace(order, limits=patient, tesseract=str(tesseract))
    try:
        return (await run_reader(descriptor, order, on_progress, folder)).reading
    except ReadingFailed:
        if isinstance(without, ReadingFailed):
            raise
        return without.reading


async def _converted(
    descriptor: int, order: Order, on_progress: OnProgress | None, folder: Path | None, soffice: Path
) -> Reading:
    """Through a DOCX in a folder of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as working:
        conversion = convert.Conversion(order.limits, order.parent, str(soffice), working)
        await _convert(descriptor, conversion)
        result = Path(working) / convert.RESULT
        try:
            made = os.open(result, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            raise ReadingFailed("damaged", "LibreOffice could not read the document: save it as DOCX.") from None
        try:
            reading = (await run_reader(made, order, on_progress, folder)).reading
            return msgspec.structs.replace(reading, media_type=DOC.media_type)
        finally:
            os.close(made)


async def _convert(descriptor: int, conversion: convert.Conversion) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-B", "-m", "library.readers", "convert", msgspec.json.encode(conversion)),
        stdin=descriptor,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(conversion.limits.wall_s):
            await process.wait()
    except TimeoutError:
        raise ReadingFailed("took-too-long", "LibreOffice took too long over the document: save it as DOCX.") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())
