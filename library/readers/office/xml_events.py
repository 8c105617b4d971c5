"""XML as events, by expat alone: no document type, so no entities; a bounded depth; nothing outside is ever read."""

from collections.abc import Iterable
from xml.parsers import expat

from library.readers.reading import ReadingFailed, too_deep

Attributes = dict[str, str]


class Events:
    """What a reader of some XML overrides. Names are `namespace-uri local` or, without a namespace, `local`."""

    def start(self, name: str, attributes: Attributes) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, data: str) -> None:
        """Text between tags."""


def parse(pieces: Iterable[bytes], events: Events, depth: int) -> None:
    """Feed the document to `events`. Raises ReadingFailed `unsafe`, `too-deep` or `damaged`."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    bounded = _Bounded(events, depth)
    parser.StartElementHandler = bounded.start
    parser.EndElementHandler = bounded.end
    parser.CharacterDataHandler = events.text
    try:
        for piece in pieces:
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ReadingFailed(
            "damaged", "The file is damaged: a part of it is not well-formed XML; save it again."
        ) from error


def check(pieces: Iterable[bytes], depth: int) -> None:
    """Parse and forget: what passes may be given to a parser that is not ours."""
    parse(pieces, Events(), depth)


def local(name: str) -> str:
    """The name without its namespace."""
    return name.rpartition(" ")[2]


def _refuse(*_: object) -> None:
    raise ReadingFailed("unsafe", "The file declares XML entities or a document type, which no honest one needs.")


class _Bounded:
    def __init__(self, events: Events, depth: int) -> None:
        self._events = events
        self._depth = depth
        self._open = 0

    def start(self, name: str, attributes: Attributes) -> None:
        self._open += 1
        if self._open > self._depth:
            raise too_deep(self._depth)
        self._events.start(name, attributes)

    def end(self, name: str) -> None:
        self._open -= 1
        self._events.end(name)
