"""Word's old format (.doc): not read here. LibreOffice, where it is installed, makes a DOCX of it first: convert.py."""

from collections.abc import Iterable

from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.reading import ReadingFailed
from library.readers.source import Source


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Raises ReadingFailed `program-missing`, which the parent answers where it has the program."""
    raise ReadingFailed(
        "program-missing",
        "Word's old format (DOC) is read through LibreOffice, which is not installed on the machine of the library"
        " (Debian: libreoffice-writer): install it, or save the document as DOCX.",
    )
