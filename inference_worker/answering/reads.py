"""Which documents the answers in the making read, and which of these documents were erased meanwhile. Knows no bus."""

import contextlib
from collections.abc import Iterator

from contract.errors import DocumentRefusedError

_GONE = "A document that it reads was erased."


class Read:
    """What one answer reads. Until that is known, every erasure may concern it."""

    def __init__(self) -> None:
        self.documents: frozenset[str] = frozenset()
        self._erased: set[str] = set()

    def note(self, documents: frozenset[str]) -> None:
        """These are read; raises DocumentRefusedError where one of them was erased since the answer began."""
        self.documents = documents
        self.check()

    def check(self) -> None:
        """Raises DocumentRefusedError once one of them was erased: the answer must not be stored."""
        if not self.documents.isdisjoint(self._erased):
            raise DocumentRefusedError("document-gone", _GONE)

    def erase(self, document: str) -> None:
        self._erased.add(document)


class Reads:
    """All of one worker's, and all documents that it has read since it last forgot."""

    def __init__(self) -> None:
        self._running: set[Read] = set()
        self._former: set[str] = set()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Read]:
        """For the time that one answer takes."""
        read = Read()
        self._running.add(read)
        try:
            yield read
        finally:
            self._running.discard(read)
            self._former.update(read.documents)

    def erase(self, document: str) -> bool:
        """Break off what reads it; whether anything may be left of it in the model's memory."""
        for read in self._running:
            read.erase(document)
        return document in self._former or any(document in read.documents for read in self._running)

    def begin_to_forget(self) -> None:
        """All that was read before is forgotten now; what is being read counts again when it ends."""
        self._former.clear()
