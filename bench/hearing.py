"""An answer that is heard piece by piece, as a stream of events brings it."""

import time
from collections.abc import Callable

from bench.peers.dialect import Dialect, Events, Said
from bench.task import NO_ANSWER, Reply


class Hearing:
    """Takes the chunks of one stream; knows when each piece came, and what they make together."""

    def __init__(self, dialect: Dialect, on_piece: Callable[[float], None] | None = None) -> None:
        """`on_piece` hears the moment of each piece (monotonic seconds)."""
        self.began_s = time.monotonic()
        self._dialect = dialect
        self._on_piece = on_piece
        self._events = Events()
        self._pieces = list[str]()
        self._moments_s = list[float]()
        self._ending: Said | None = None

    def chunk(self, chunk: bytes) -> None:
        """One more part of the stream, wherever it was cut."""
        for name, data in self._events.feed(chunk):
            if piece := self._dialect.piece(name, data):
                self._note(piece)
            else:
                self._ending = self._dialect.ending(name, data) or self._ending

    def reply(self, status: int) -> Reply:
        """After the last chunk. A stream that ends without a word is no answer."""
        took_s = time.monotonic() - self.began_s
        if status != 200 or not (self._pieces or self._ending):
            return Reply(NO_ANSWER if status == 200 else status, took_s)
        said = self._ending or Said("".join(self._pieces), len(self._pieces))
        return Reply(
            200, took_s, said.text, said.tokens, said.prompt_tokens, said.cached_tokens, tuple(self._moments_s)
        )

    def _note(self, piece: str) -> None:
        now_s = time.monotonic()
        self._pieces.append(piece)
        self._moments_s.append(now_s - self.began_s)
        if self._on_piece:
            self._on_piece(now_s)
