"""Turns Word's old format into DOCX by LibreOffice: in a process without network that sees the system and a folder."""

import os
import shutil
import sys
from pathlib import Path

import msgspec

from library.readers import limits as bounds
from library.readers.limits import Limits
from library.readers.process import sandbox

SOURCE, RESULT = "document.doc", "document.docx"
_MEMORY_BYTES = 4 * 1024**3  # LibreOffice maps far more than it uses
_ALSO_READ = tuple(
    map(
        Path,
        ("/etc/libreoffice", "/var/lib/libreoffice", "/var/spool/libreoffice", "/dev/urandom", "/dev/null"),
    )
)
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
_OPTIONS = ("--headless", "--norestore", "--nolockcheck")


class Conversion(msgspec.Struct, frozen=True):
    """The process's argument, as JSON: the folder is the only one that it may write to, and its /tmp, if permitted."""

    limits: Limits
    parent: int
    soffice: str
    folder: str


def main(argument: str) -> None:
    """Become LibreOffice over standard input; the result is `document.docx` in the folder, or there is none."""
    order = msgspec.json.decode(argument, type=Conversion)
    sandbox.die_with_parent(order.parent)
    source = Path(order.folder, SOURCE)
    with source.open("wb") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
    source.chmod(0o444)
    bounds.apply(msgspec.structs.replace(order.limits, memory_bytes=_MEMORY_BYTES), "program")
    program = Path(order.soffice).resolve()
    readable = (*sandbox.PROGRAMS, program.parent, *_ALSO_READ)
    folder = str(sandbox.enter_with_folder(order.parent, readable, Path(order.folder)))
    profile = f"-env:UserInstallation=file://{folder}/profile"
    command = [str(program), profile, *_OPTIONS, "--convert-to", "docx", "--outdir", folder, f"{folder}/{SOURCE}"]
    os.execve(program, command, {**_ENVIRONMENT, "HOME": folder, "TMPDIR": folder})  # noqa: S606 (no shell is wanted)
