"""Turns Word's old format into DOCX by LibreOffice: in a process without network that sees the system and one folder.

Run as a program by read.py: `python -m library.readers.convert ORDER`, with the file as standard input.
"""

import os
import shutil
import sys
from pathlib import Path

import msgspec

from library.readers import limits as bounds
from library.readers import sandbox
from library.readers.limits import Limits

SOURCE, RESULT = "document.doc", "document.docx"
_MEMORY_BYTES = 4 * 1024**3  # LibreOffice maps far more than it uses


class Conversion(msgspec.Struct, frozen=True):
    """The process's one argument, as JSON: the folder is the only one that it may write to."""

    limits: Limits
    parent: int
    soffice: Path
    folder: Path


def main(argument: str) -> None:
    """Become LibreOffice; the result is `document.docx` in the folder, or there is none."""
    order = msgspec.json.decode(argument, type=Conversion)
    sandbox.die_with_parent(order.parent)
    source = order.folder / SOURCE
    with source.open("wb") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
    bounds.apply(msgspec.structs.replace(order.limits, memory_bytes=_MEMORY_BYTES), "program")
    program = order.soffice.resolve()
    sandbox.enter_for_program(
        order.parent, (*sandbox.PROGRAMS, program.parent, Path("/etc/libreoffice")), (order.folder,)
    )
    profile = f"-env:UserInstallation={(order.folder / 'profile').as_uri()}"
    options = ["--headless", "--norestore", "--nolockcheck", "--convert-to", "docx", "--outdir", str(order.folder)]
    folder = str(order.folder)
    environment = {"HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    os.execve(program, [str(program), profile, *options, str(source)], environment)  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1])
