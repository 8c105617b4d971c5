"""Reads a PDF: opens it, takes each page's pieces off it, and writes them as text."""

import ctypes
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pypdfium2.raw as pdfium

from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.pdf.extract import PageText
from library.readers.pdf.fragment import Sheet
from library.readers.pdf.ocr import Recognise, recogniser
from library.readers.pdf.order import in_reading_order
from library.readers.pdf.paragraphs import type_of
from library.readers.pdf.running_heads import without_running_heads
from library.readers.pdf.writer import write_pages
from library.readers.reading import ReadingFailed
from library.readers.source import Source

_TITLE_BYTES = 1024
_FILLED_IN = (pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT)
_ANNOTATIONS = 10_000  # of a page that are looked at
_FLATTENED = pdfium.FLATTEN_SUCCESS
_ERROR_PASSWORD = 4
_ERROR_SECURITY = 5
_REST = re.compile(r"\s+")


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the document's text, page by page. Raises ReadingFailed `encrypted`, `damaged`, `too-many-pages`."""
    document = _opened(source)
    count = pdfium.FPDF_GetPageCount(document)
    if count > canvas.limits.pages:
        raise ReadingFailed(
            "too-many-pages", f"The document has {count:,} pages; at most {canvas.limits.pages:,} are read: split it."
        )
    canvas.title = _title(document)
    sheets = list(_sheets(document, count, canvas, recogniser(source.tesseract)))
    letters = type_of([sheet.fragments for sheet in sheets])
    kept = without_running_heads(sheets, letters.body)
    pages = [
        in_reading_order(fragments, is_filled_in=sheet.is_filled_in)
        for sheet, fragments in zip(sheets, kept, strict=True)
    ]
    canvas.has_images = any(sheet.has_image and not sheet.is_recognised for sheet in sheets)
    recognised = {index for index, sheet in enumerate(sheets) if sheet.is_recognised}
    write_pages(pages, letters, canvas, recognised)
    return ()


def _opened(source: Source) -> Any:
    pdfium.FPDF_InitLibrary()
    data = source.data
    size = len(data)
    pointer = (ctypes.c_char * size).from_buffer(data) if not isinstance(data, bytes) else data
    document = pdfium.FPDF_LoadMemDocument64(pointer, size, None)
    if document:
        return document
    if pdfium.FPDF_GetLastError() in (_ERROR_PASSWORD, _ERROR_SECURITY):
        raise ReadingFailed("encrypted", "The document is protected by a password: save it without one.")
    raise ReadingFailed(
        "damaged", "The file is no whole PDF: it is cut off or damaged; send it again, or save it again."
    )


def _sheets(document: Any, count: int, canvas: Canvas, recognise: Recognise | None) -> Iterator[Sheet]:
    for index in range(count):
        page = pdfium.FPDF_LoadPage(document, index)
        if not page:
            yield Sheet([], 0.0, 0.0)
            continue
        is_filled_in = _has_fields(page) and pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) == _FLATTENED
        if is_filled_in:  # only a page that is loaded again shows it
            pdfium.FPDF_ClosePage(page)
            page = pdfium.FPDF_LoadPage(document, index)
        text = PageText(page)
        sheet = text.sheet()
        sheet.is_filled_in = is_filled_in
        if sheet.has_unreadable_fonts:
            sheet.fragments.clear()  # letters that mean nothing: as good as an image
        if not sheet.fragments:
            sheet.has_image = pdfium.FPDFPage_CountObjects(page) > 0
            if sheet.has_image and recognise is not None:
                sheet.fragments, sheet.is_recognised = recognise(page), True
        yield sheet
        text.close()
        pdfium.FPDF_ClosePage(page)
        canvas.progress(index + 1, count)


def _has_fields(page: Any) -> bool:
    """Whether it has fields of a form, or text that was typed onto it: they are no part of the page's own text."""
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        subtype = pdfium.FPDFAnnot_GetSubtype(annotation)
        pdfium.FPDFPage_CloseAnnot(annotation)
        if subtype in _FILLED_IN:
            return True
    return False


def _title(document: Any) -> str:
    buffer = ctypes.create_string_buffer(_TITLE_BYTES)
    written = pdfium.FPDF_GetMetaText(document, b"Title", buffer, _TITLE_BYTES)
    title = buffer.raw[: max(min(written, _TITLE_BYTES) - 2, 0)].decode("utf-16-le", "replace")
    return _REST.sub(" ", title).strip()[:200]
