"""Makes one canonical text of a file, in a process of its own that can do nothing else.

Knows file formats. Leaves redaction, sentences, indexing and keeping to others.
"""

from library.readers.limits import Limits
from library.readers.process.programs import Ocr, Programs, installed
from library.readers.read import read_file
from library.readers.reading import Attachment, Heading, Hidden, Page, Progress, Reading, ReadingFailed

__all__ = [
    "Attachment",
    "Heading",
    "Hidden",
    "Limits",
    "Ocr",
    "Page",
    "Programs",
    "Progress",
    "Reading",
    "ReadingFailed",
    "installed",
    "read_file",
]
