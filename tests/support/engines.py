"""Engines for tests of the worker: each does one thing that a real one might do at a bad moment."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from contract.errors import EngineError, PromptTooLongError
from contract.messages import Query, Usage
from inference_worker.engines.base import Completion, Piece
from inference_worker.engines.echo import EchoEngine


class Noting(EchoEngine):
    """Notes what it is asked, by whom, and which of it ended early."""

    def __init__(self, slots: int = 2) -> None:
        super().__init__(slots)
        self.asked: list[Query] = []
        self.owners: list[str] = []
        self.broken_off: list[str] = []

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        self.asked.append(query)
        self.owners.append(owner)
        try:
            await self.before(query)
        except asyncio.CancelledError:
            self.broken_off.append(query.query)
            raise
        async for event in super().generate(query, owner):
            yield event

    async def before(self, query: Query) -> None:
        """What happens before the first piece."""

    @property
    def questions(self) -> list[str]:
        return [query.query for query in self.asked]


class Remembering(Noting):
    """Has bob's documents in its memory."""

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        return lambda: bool(query.context) and owner.startswith("bob.")


class Gated(Noting):
    """Makes no piece before the test opens the gate."""

    def __init__(self, slots: int = 2) -> None:
        super().__init__(slots)
        self.gate = asyncio.Event()

    async def before(self, query: Query) -> None:
        await self.gate.wait()


class Failing(Noting):
    """Raises `error` for the first `times` queries."""

    def __init__(self, times: int, error: Exception | None = None) -> None:
        super().__init__()
        self._left = times
        self._error = error or EngineError("The model stumbled.")

    async def before(self, query: Query) -> None:
        if self._left:
            self._left -= 1
            raise self._error


class FailingQuote(Failing):
    """The same for an engine that needs no model."""

    def needs_slot(self, query: Query) -> bool:
        return False


class Quoting(Noting):
    """Answers without the model."""

    def needs_slot(self, query: Query) -> bool:
        return False


class Narrow(Noting):
    """Takes no prompt."""

    async def before(self, query: Query) -> None:
        raise PromptTooLongError(prompt_tokens=9000, limit_tokens=8000, cut_chars=4200)


class Unfinished(Noting):
    """Ends without a completion."""

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        self.asked.append(query)
        yield Piece("So")


class Stumbling(Noting):
    """Makes one piece and fails, the first time."""

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        self.asked.append(query)
        if len(self.asked) == 1:
            yield Piece("Wrong")
            raise EngineError
        async for event in EchoEngine.generate(self, query, owner):
            yield event


class Endless(Noting):
    """An API that sends more than the bus accepts."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = 1_300_000

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        self.asked.append(query)
        text = "x" * self.letters
        yield Piece(text)
        yield Completion(
            text=text, finish_reason="stop", usage=Usage(1, 1), prefill_ms=0, decode_ms=0, model="far", backend="proxy"
        )


class Broken(Noting):
    """Has a defect outside of answering."""

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        raise ZeroDivisionError
