"""A local engine whose place another one can take while it has nothing to do. Knows neither of them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

from contract.messages import Query
from inference_worker.engines.base import Completion, Engine, Evidence, Piece


class Replaceable:
    """Passes everything on to the engine that is there now; owns it, and closes it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_there = asyncio.Event()
        self._is_there.set()
        self._generating = 0
        self._generated_before = 0

    @property
    def model_name(self) -> str:
        return self._engine.model_name

    @property
    def slots(self) -> int:
        return self._engine.slots

    @property
    def context_tokens(self) -> int:
        return self._engine.context_tokens

    @property
    def max_prompt_bytes(self) -> int:
        return self._engine.max_prompt_bytes

    @property
    def tokens_generated(self) -> int:
        return self._generated_before + self._engine.tokens_generated

    @property
    def stalled_s(self) -> float:
        return self._engine.stalled_s

    @property
    def blocker(self) -> str | None:
        return self._engine.blocker

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """What the current engine says."""
        return self._engine.watch(query, owner)

    def needs_slot(self, query: Query) -> bool:
        """What the current engine says."""
        return self._engine.needs_slot(query)

    async def count_tokens(self, text: str) -> int:
        """As the current engine counts; waits while there is none."""
        await self._is_there.wait()
        # As an answer does, it keeps the engine from being replaced meanwhile.
        self._generating += 1
        try:
            return await self._engine.count_tokens(text)
        finally:
            self._generating -= 1

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        """As the engine yields them; waits while there is none."""
        await self._is_there.wait()
        self._generating += 1
        try:
            async with contextlib.aclosing(self._engine.generate(query, owner)) as events:
                async for event in events:
                    yield event
        finally:
            self._generating -= 1

    async def replace(self, open_next: Callable[[], Engine]) -> bool:
        """Close the engine, then open the next one, since there may not be memory for both.

        False, and nothing done, while something is generated. Raises what `open_next` raises; then the engine is gone.
        """
        if self._generating or not self._is_there.is_set():
            return False
        self._is_there.clear()
        try:
            await self._engine.close()
            following = await asyncio.to_thread(open_next)
            self._generated_before += self._engine.tokens_generated
            self._engine = following
        finally:
            self._is_there.set()
        return True

    async def forget(self) -> None:
        """The engine that is there now; one that is being opened knows nothing yet."""
        if self._is_there.is_set():
            await self._engine.forget()

    async def close(self) -> None:
        """Close the engine that is there now."""
        await self._engine.close()
