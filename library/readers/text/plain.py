"""Plain text: as it is."""

from collections.abc import Iterable

from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.source import Source
from library.readers.text.encoding import decoded


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the text, decoded."""
    canvas.write(decoded(source.content()))
    return ()
