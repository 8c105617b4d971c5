"""The streams of an OLE compound file (.doc, .xls, .msg), and where one of them ends early."""

import olefile

from library.readers.reading import ReadingFailed
from library.readers.source import Source


def opened(source: Source) -> olefile.OleFileIO:
    """The compound file. Raises ReadingFailed where it is cut off."""
    try:
        return olefile.OleFileIO(source.content())
    except (OSError, ValueError, IndexError) as error:
        raise ReadingFailed("damaged", "The file is cut off or damaged: send it again, or save it again.") from error


def streams_of(source: Source) -> set[str]:
    """The names of the streams at the top, in lower case."""
    with opened(source) as compound:
        return {path[0].lower() for path in compound.listdir()}
