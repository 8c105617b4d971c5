"""The formats that are read: what each is called, and the module that reads it.

A module is imported when a file of its format is there: a reader's process holds one parser, not all.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, cast

import msgspec

from library.readers.canonical import Canvas
from library.readers.source import Source


class Format(msgspec.Struct, frozen=True):
    """A kind of file. `module` has `read(source, canvas)`; `label` stands in sentences."""

    media_type: str
    label: str
    module: str


class Enclosed(msgspec.Struct, frozen=True):
    """A file found inside a file; a document of its own."""

    name: str
    media_type: str
    data: bytes


Reader = Callable[[Source, Canvas], Iterable[Enclosed]]

_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"

PDF = Format("application/pdf", "PDF", "pdf.reader")
DOCX = Format(f"{_OOXML}.wordprocessingml.document", "Word document (DOCX)", "docx")
PPTX = Format(f"{_OOXML}.presentationml.presentation", "presentation (PPTX)", "pptx")
XLSX = Format(f"{_OOXML}.spreadsheetml.sheet", "workbook (XLSX)", "sheets")
XLS = Format("application/vnd.ms-excel", "workbook (XLS)", "sheets")
ODT = Format(f"{_ODF}.text", "text document (ODT)", "odf")
ODP = Format(f"{_ODF}.presentation", "presentation (ODP)", "odf")
ODS = Format(f"{_ODF}.spreadsheet", "workbook (ODS)", "sheets")
DOC = Format("application/msword", "Word document (DOC)", "doc")
HTML = Format("text/html", "HTML page", "html")
MARKDOWN = Format("text/markdown", "Markdown text", "markdown")
PLAIN = Format("text/plain", "text", "plain")
CSV = Format("text/csv", "table (CSV)", "csv_table")
EML = Format("message/rfc822", "message (EML)", "eml")
MSG = Format("application/vnd.ms-outlook", "message (MSG)", "msg")
RTF = Format("application/rtf", "RTF document", "rtf")

NAMES = "PDF, DOCX, HTML, Markdown, plain text, CSV, EML, MSG, RTF, ODT, PPTX and XLSX (DOC where LibreOffice is there)"


def reader_of(kind: Format) -> Reader:
    """Import the format's module and return its `read`."""
    module: Any = import_module(f"library.readers.{kind.module}")
    return cast("Reader", module.read)
