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
    """A kind of file. `module` has `read(source, canvas)`; `label` names it in sentences."""

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
DOCX = Format(f"{_OOXML}.wordprocessingml.document", "Word document (DOCX)", "office.docx")
PPTX = Format(f"{_OOXML}.presentationml.presentation", "presentation (PPTX)", "office.pptx")
XLSX = Format(f"{_OOXML}.spreadsheetml.sheet", "workbook (XLSX)", "office.sheets")
XLS = Format("application/vnd.ms-excel", "workbook (XLS)", "office.sheets")
ODT = Format(f"{_ODF}.text", "text document (ODT)", "office.odf")
ODP = Format(f"{_ODF}.presentation", "presentation (ODP)", "office.odf")
ODS = Format(f"{_ODF}.spreadsheet", "workbook (ODS)", "office.sheets")
DOC = Format("application/msword", "Word document (DOC)", "office.doc")
HTML = Format("text/html", "HTML page", "text.html")
MARKDOWN = Format("text/markdown", "Markdown text", "text.markdown")
PLAIN = Format("text/plain", "text", "text.plain")
CSV = Format("text/csv", "table (CSV)", "text.csv_table")
EML = Format("message/rfc822", "message (EML)", "mail.eml")
MSG = Format("application/vnd.ms-outlook", "message (MSG)", "mail.msg")
RTF = Format("application/rtf", "RTF document", "office.rtf")

NAMES = "PDF, DOCX, HTML, Markdown, plain text, CSV, EML, MSG, RTF, ODT, PPTX and XLSX (DOC where LibreOffice is there)"


def reader_of(kind: Format) -> Reader:
    """Import the format's module and return its `read`."""
    module: Any = import_module(f"library.readers.{kind.module}")
    return cast("Reader", module.read)
