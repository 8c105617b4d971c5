"""An engine without a model, for tests of the bus alone: it answers with the question's own words.

Knows only asyncio. Not for production; the settings refuse it there.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

from contract.errors import EngineError
from contract.messages import Query, Usage
from inference_worker.engines.base import Completion, Piece

_CLOSED = "The engine was stopped."


class EchoEngine:
    """Answers `slots` queries at a time, each `delay_s` seconds after it began. A word counts as a token."""

    model_name = "echo"
    context_tokens = 8192
    max_prompt_bytes = 2**30
    stalled_s = 0.0
    blocker: str | None = None

    def __init__(self, slots: int, delay_s: float = 0.0) -> None:
        self.slots = slots
        self.tokens_generated = 0
        self._delay_s = delay_s
        self._free = asyncio.Semaphore(slots)
        self._closed = asyncio.Event()

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """Never true: it has no memory."""
        return lambda: False

    def needs_slot(self, query: Query) -> bool:
        """Every query."""
        return True

    async def count_tokens(self, text: str) -> int:
        """Its tokens are words."""
        return len(text.split())

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        """Yield the query's first `max_tokens` words, then a completion; raises EngineError once closed."""
        async with self._free:
            await self._delay()
            words = query.query.split()
            pieces = _pieces(words[: query.max_tokens])
            for piece in pieces:
                self.tokens_generated += 1
                yield Piece(piece)
            yield Completion(
                text="".join(pieces),
                finish_reason="stop" if len(pieces) == len(words) else "length",
                usage=Usage(len(words) + len(query.context.split()), len(pieces)),
                prefill_ms=0.0,
                decode_ms=self._delay_s * 1000,
            )

    async def forget(self) -> None:
        """It has no memory."""

    async def close(self) -> None:
        """End what is still waiting."""
        self._closed.set()

    async def _delay(self) -> None:
        if self._delay_s and not self._closed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), self._delay_s)
        if self._closed.is_set():
            raise EngineError(_CLOSED)


def _pieces(words: list[str]) -> list[str]:
    return words[:1] + [f" {word}" for word in words[1:]]
