"""Markdown: its source is the text, as people quote it; headings are marked, comments hidden."""

import re
from collections.abc import Iterable, Iterator

from library.readers.canonical import Canvas, cleaned
from library.readers.formats import Enclosed
from library.readers.source import Source
from library.readers.text.encoding import decoded

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(?=\S)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the source; its first heading is the title."""
    text = cleaned(decoded(source.content()))
    for line, level in _lines(text):
        if level:
            with canvas.heading(level):
                canvas.write(line)
        else:
            canvas.write(line)
    for comment in _COMMENT.finditer(text):
        canvas.conceal(comment.start(), comment.end(), "markup")
    return ()


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """Each line with its end and the level of its heading; 0: it is none. `# ` in fenced code is no heading."""
    lines = text.splitlines(keepends=True)
    fenced = False
    for index, line in enumerate(lines):
        fenced ^= bool(_FENCE.match(line))
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if fenced:
            yield line, 0
        elif match := _HEADING.match(line):
            yield line, len(match[1])
        elif line.strip() and (under := _UNDERLINE.match(following)) and not _UNDERLINE.match(line):
            yield line, 1 if under[1][0] == "=" else 2
        else:
            yield line, 0
