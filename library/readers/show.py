"""`python -m library.readers show FILE`: what the readers make of a file, as JSON, and what that cost."""

import asyncio
import resource
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from library.readers.process.programs import installed
from library.readers.read import read_file
from library.readers.reading import Reading, ReadingFailed


def main(path: str) -> int:
    """Print one object; 1: the file can't be read."""
    began = time.perf_counter()
    try:
        shown = _of_reading(asyncio.run(read_file(Path(path).resolve(), name=path, programs=installed())))
    except ReadingFailed as failure:
        shown = {"failed": failure.code, "sentence": failure.sentence}
    except OSError as error:
        shown = {"failed": "unavailable", "sentence": f"{path} can't be opened: {error.strerror}."}
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown["wall_s"] = time.perf_counter() - began
    shown["cpu_s"] = used.ru_utime + used.ru_stime
    shown["peak_bytes"] = used.ru_maxrss * 1024
    sys.stdout.buffer.write(msgspec.json.encode(shown) + b"\n")
    return 1 if "failed" in shown else 0


def _of_reading(reading: Reading) -> dict[str, Any]:
    for attachment in reading.attachments:
        attachment.file.close()
    fields: dict[str, Any] = {name: getattr(reading, name) for name in reading.__struct_fields__}
    return {**fields, "attachments": [attachment.name for attachment in reading.attachments]}
