"""A real worker process whose engine stalls: `python -m tests.support.standing_worker MODE`.

All of it is the product's own but the engine. `step`: a step never ends. `slow`: each takes a second. `loop`: the
whole event loop stands still. `never`: an engine that goes on.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator

from contract.bus import Bus
from contract.messages import Query
from inference_worker import __main__ as product
from inference_worker.engines.base import Completion, Engine, Piece
from inference_worker.proxy.engine import LoseTokens
from inference_worker.settings import WorkerSettings
from tests.support.engines import Gated

LOOP_STANDS_S = 3600
SLOW_S = 1.0


class Standing(Gated):
    """Makes no piece, and says since when."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode
        self._since_s: float | None = None
        if mode != "step":
            self.gate.set()

    @property
    def stalled_s(self) -> float:  # type: ignore[override]  # a property here, a constant there
        return time.monotonic() - self._since_s if self._since_s is not None else 0.0

    def needs_slot(self, query: Query) -> bool:
        return True

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        if self._mode == "loop":
            time.sleep(LOOP_STANDS_S)  # noqa: ASYNC251  # this is what must be seen
        if self._mode in ("step", "slow"):
            self._since_s = time.monotonic()
        if self._mode == "slow":
            await asyncio.sleep(SLOW_S)
            self._since_s = None
        async for event in super().generate(query, owner):
            yield event


def main() -> int:
    engine = Standing(sys.argv.pop(1))

    def open_standing(settings: WorkerSettings, bus: Bus, lose_tokens: LoseTokens) -> Engine:
        return engine

    product.open_backend = open_standing  # type: ignore[assignment, attr-defined]
    return product.main()


if __name__ == "__main__":
    sys.exit(main())
