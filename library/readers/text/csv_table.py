"""CSV and its relatives, with whichever of the usual characters separates the cells."""

import csv
import io
from collections.abc import Iterable

from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.source import Source
from library.readers.text.encoding import decoded
from library.readers.text.rows import write_rows

DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the rows, each value with its head."""
    text = decoded(source.content()).replace("\x00", "")
    csv.field_size_limit(canvas.limits.text_chars)
    write_rows(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text)), canvas)
    return ()


def delimiter_of(text: str) -> str:
    """The one that cuts the first lines into the most cells, the same number in each."""
    lines = text.splitlines()[:_SAMPLE_LINES]

    def agreement(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        usual = max(set(widths), key=widths.count) if widths else 1
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0), usual

    return max(DELIMITERS, key=agreement)
