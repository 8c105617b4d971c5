"""Two engines of which the second answers what the first one can't. Knows neither."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec
import structlog

from contract.errors import BudgetExhaustedError, EngineError, PromptTooLongError
from contract.messages import Query, body_hash, encode
from inference_worker.engines.base import Completion, Engine, Evidence, Piece

_REMEMBERED: Final = 256
"""Questions whose answer the first one broke off: their next attempt comes within seconds."""

log = structlog.get_logger(__name__)


class Fallback:
    """Asks `first`; where it fails before it said anything, asks `second`."""

    def __init__(self, first: Engine, second: Engine) -> None:
        """Owns both from now on, and closes them."""
        self._first = first
        self._second = second
        self._broken_off: OrderedDict[str, EngineError] = OrderedDict()
        self.model_name = first.model_name
        self.slots = first.slots

    @property
    def context_tokens(self) -> int:
        return max(self._first.context_tokens, self._second.context_tokens)

    @property
    def max_prompt_bytes(self) -> int:
        return max(self._first.max_prompt_bytes, self._second.max_prompt_bytes)

    @property
    def tokens_generated(self) -> int:
        return self._first.tokens_generated + self._second.tokens_generated

    @property
    def stalled_s(self) -> float:
        return max(self._first.stalled_s, self._second.stalled_s)

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """True where either has the document."""
        looks = (self._first.watch(query, owner), self._second.watch(query, owner))
        return lambda: any(look() for look in looks)

    def needs_slot(self, query: Query) -> bool:
        """Every query."""
        return True

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        """Yield one engine's pieces and completion. Raises what tells most of why neither answered."""
        name = _name_of(query, owner)
        error = self._broken_off.pop(name, None)
        if error is None:
            has_yielded = False
            try:
                async with contextlib.aclosing(_named(self._first, query, owner)) as events:
                    async for event in events:
                        has_yielded = True
                        yield event
                return
            except EngineError as raised:
                error = raised
            if has_yielded:
                # The pieces are out: the job's next attempt begins anew, and with the second.
                self._remember(name, error)
                raise EngineError(str(error))
        log.info("the other backend is asked", reason=str(error))
        async with contextlib.aclosing(self._from_second(query, owner, error)) as events:
            async for event in events:
                yield event

    async def _from_second(
        self, query: Query, owner: str, why: EngineError
    ) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        try:
            async with contextlib.aclosing(_named(self._second, query, owner)) as events:
                async for event in events:
                    yield event
        except EngineError as error:
            raise _telling(why, error) from None

    async def close(self) -> None:
        """Close both."""
        await asyncio.gather(self._first.close(), self._second.close())

    def _remember(self, name: str, error: EngineError) -> None:
        self._broken_off[name] = error
        if len(self._broken_off) > _REMEMBERED:
            self._broken_off.popitem(last=False)


async def _named(engine: Engine, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
    """The engine's events; its completion says who made it."""
    async with contextlib.aclosing(engine.generate(query, owner)) as events:
        async for event in events:
            if isinstance(event, Completion) and not event.model:
                event = msgspec.structs.replace(event, model=engine.model_name)
            yield event


def _name_of(query: Query, owner: str) -> str:
    """The same for each attempt of a job, whatever time is left for it."""
    return body_hash(f"{owner}\n".encode() + encode(msgspec.structs.replace(query, deadline_s=None)))


def _telling(first: EngineError, second: EngineError) -> EngineError:
    """A prompt that fits only one of two has that one's error; tokens that are used up leave the other's."""
    if isinstance(first, PromptTooLongError):
        return second
    if isinstance(second, PromptTooLongError | BudgetExhaustedError):
        return first
    return second
