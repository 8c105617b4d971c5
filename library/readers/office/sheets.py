"""Workbooks (XLSX, XLS, ODS): each sheet is a page under its name, each row a line with its columns' heads."""

import datetime
import io
from collections.abc import Iterable, Iterator
from typing import IO

from python_calamine import CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.office.archive import Archive
from library.readers.reading import ReadingFailed
from library.readers.source import Source
from library.readers.text.rows import write_rows

_ZIPPED = b"PK"

Cell = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the sheets; hidden ones are hidden."""
    _check_size(source, canvas)
    workbook = _opened(io.BytesIO(source.content()))
    shown = [sheet for sheet in workbook.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet]
    for number, about in enumerate(shown, start=1):
        with canvas.page(about.name[:200]):
            canvas.end_paragraph()
            with canvas.heading(1):
                canvas.flow(about.name)
            canvas.end_paragraph()
            start = canvas.length
            write_rows(_rows(workbook.get_sheet_by_name(about.name)), canvas)
            if about.visible is not SheetVisibleEnum.Visible:
                canvas.conceal(start, canvas.length, "markup")
        canvas.progress(number, len(shown))
    return ()


def _check_size(source: Source, canvas: Canvas) -> None:
    """Unpack once with a count: the library believes what the archive says of itself."""
    if source.head(2) != _ZIPPED:
        return
    archive = Archive(source, canvas.limits)
    for name in archive.names:
        if name.endswith((".xml", ".rels", ".bin")):
            for _ in archive.pieces(name):
                pass


def _opened(file: IO[bytes]) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_filelike(file)
    except PasswordError as error:
        raise ReadingFailed("encrypted", "The document is protected by a password: save it without one.") from error


def _rows(sheet: CalamineSheet) -> Iterator[list[str]]:
    for row in sheet.iter_rows():
        yield [_text(cell) for cell in row]


def _text(cell: Cell) -> str:
    """As people write it: whole numbers without a point, dates without a midnight."""
    match cell:
        case bool():
            return "TRUE" if cell else "FALSE"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case float():
            return f"{cell:.15g}"
        case datetime.datetime() if (cell.hour, cell.minute, cell.second) == (0, 0, 0):
            return cell.date().isoformat()
        case datetime.datetime():
            return cell.isoformat(" ", "seconds")
        case datetime.timedelta():
            hours, rest = divmod(round(cell.total_seconds()), 3600)
            return f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return str(cell)
