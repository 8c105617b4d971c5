"""Vectors of texts, made one request at a time on a thread beside the event loop. Knows the embedder, no request."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from contract.errors import DocQAError
from contract.redaction.redactor import Redactor
from contract.sanitize import sanitize
from ingress.problems import Problem

if TYPE_CHECKING:
    from contract.embedding import Embedder, Vectors

MOST_WAITING: Final = 8
"""Requests that wait for the thread; with more, a client is told to come back."""
_RETRY_AFTER_S: Final = "2"
_OFF: Final = "off"


class VectorMaker:
    """Opens the embedder that DOCQA_EMBEDDING_MODEL names when the first vector is asked for."""

    def __init__(self, setting: str, redactor: Redactor) -> None:
        self._setting = setting
        self._redactor = redactor
        self._embedder: Embedder | None = None
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "embedder")

    @property
    def is_on(self) -> bool:
        return self._setting != _OFF

    async def make(self, texts: Sequence[str], *, are_queries: bool = False) -> "Vectors":
        """A row for each text, which is read without its secrets; raises Problem."""
        if self._waiting >= MOST_WAITING:
            detail = f"{MOST_WAITING} requests for vectors wait already: try again in {_RETRY_AFTER_S} s."
            headers = {"Retry-After": _RETRY_AFTER_S}
            raise Problem(429, "queue-full", "Too many requests wait for vectors", detail, headers=headers)
        self._waiting += 1
        try:
            running = asyncio.get_running_loop().run_in_executor(self._thread, self._made, texts, are_queries)
            return await running
        except DocQAError as error:
            raise Problem(503, "embedder-failed", "The embedder can't be used", str(error)) from None
        finally:
            self._waiting -= 1

    def _made(self, texts: Sequence[str], are_queries: bool) -> "Vectors":
        embedder = self._opened()
        clean = [sanitize(text, self._redactor).text for text in texts]
        if are_queries:
            import numpy as np

            return np.stack([embedder.embed_query(text) for text in clean])
        return embedder.embed_passages(clean)

    def _opened(self) -> "Embedder":
        if self._embedder is None:
            # Imported here: without this route the ingress needs neither numpy nor a model.
            try:
                from contract.embedding import open_embedders
            except ImportError as error:
                raise DocQAError(f"Vectors need {error.name}: install goblin-docqa[embedding].") from None
            # One thread: questions come first.
            found = open_embedders(self._setting, threads=1)
            # Clients compare texts of any language: all get vectors of one kind.
            self._embedder = found.whole if found else None
        if self._embedder is None:
            raise DocQAError("DOCQA_EMBEDDING_MODEL is off.")
        return self._embedder
