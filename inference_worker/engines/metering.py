"""An engine whose answers are counted: for whom, by whom, how many tokens. Passes everything on as it comes."""

import contextlib
from collections.abc import AsyncGenerator, Callable

from contract.messages import Query
from inference_worker.engines.base import Completion, Engine, Piece
from inference_worker.usage_ledger import UsageLedger


class Metered:
    """Owns the engine from its making on, and closes it."""

    def __init__(self, engine: Engine, ledger: UsageLedger) -> None:
        self._engine = engine
        self._ledger = ledger
        self.model_name = engine.model_name
        self.slots = engine.slots

    @property
    def context_tokens(self) -> int:
        return self._engine.context_tokens

    @property
    def max_prompt_bytes(self) -> int:
        return self._engine.max_prompt_bytes

    @property
    def tokens_generated(self) -> int:
        return self._engine.tokens_generated

    @property
    def stalled_s(self) -> float:
        return self._engine.stalled_s

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """As the engine says."""
        return self._engine.watch(query, owner)

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        """As the engine yields them."""
        async with contextlib.aclosing(self._engine.generate(query, owner)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    self._ledger.count(owner, event.backend, event.usage)
                yield event

    async def close(self) -> None:
        """Close the engine, then write down what was counted last."""
        await self._engine.close()
        await self._ledger.close()
