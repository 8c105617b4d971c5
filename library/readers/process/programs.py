"""Programs of the system that read what no library here does, where they are installed."""

import shutil
from pathlib import Path
from typing import Literal

import msgspec

# Not the caller's own: a program is taken from where the system keeps them, and nowhere else.
_WHERE = "/usr/local/bin:/usr/bin:/bin"

Ocr = Literal["auto", "off"]


class Programs(msgspec.Struct, frozen=True):
    """None: not installed, or not wanted."""

    tesseract: Path | None = None  # reads pages that are images
    soffice: Path | None = None  # LibreOffice: makes DOCX of DOC


def installed(ocr: Ocr = "auto") -> Programs:
    """What this machine has; `ocr` is the setting DOCQA_OCR."""
    return Programs(_found("tesseract") if ocr == "auto" else None, _found("soffice"))


def _found(name: str) -> Path | None:
    path = shutil.which(name, path=_WHERE)
    return Path(path) if path else None
