"""Two engines, of which the second answers where the first can't. Knows neither."""

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
"""How many questions are remembered whose answer broke off; their next attempt comes within seconds."""

log = structlog.get_logger(__name__)


class Fallback:
    """Asks `first`; where it fails before its first piece, asks `second`."""

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

    @property
    def blocker(self) -> str | None:
        return self._first.blocker or self._second.blocker

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """True where either has the document."""
        checks = (self._first.watch(query, owner), self._second.watch(query, owner))
        return lambda: any(check() for check in checks)

    def needs_slot(self, query: Query) -> bool:
        """Every query."""
        return True

    async def count_tokens(self, text: str) -> int:
        """As the engine counts that is asked first."""
        return await self._first.count_tokens(text)

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        """Yield one engine's events. Raises the error that says most about why neither answered."""
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
                # Pieces were sent: so the job's next attempt begins anew, with the second engine.
                self._remember(name, error)
                raise EngineError(str(error))
        log.info("asking the other backend", reason=str(error))
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
            raise _more_telling(why, error) from None

    async def forget(self) -> None:
        """Both."""
        await asyncio.gather(self._first.forget(), self._second.forget())

    async def close(self) -> None:
        """Close both."""
        await asyncio.gather(self._first.close(), self._second.close())

    def _remember(self, name: str, error: EngineError) -> None:
        self._broken_off[name] = error
        if len(self._broken_off) > _REMEMBERED:
            self._broken_off.popitem(last=False)


async def _named(engine: Engine, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
    """The engine's events, with its model's name in the completion."""
    async with contextlib.aclosing(engine.generate(query, owner)) as events:
        async for event in events:
            if isinstance(event, Completion) and not event.model:
                event = msgspec.structs.replace(event, model=engine.model_name)
            yield event


def _name_of(query: Query, owner: str) -> str:
    """A name that is the same for each attempt of a job, whatever time is left for it."""
    return body_hash(f"{owner}\n".encode() + encode(msgspec.structs.replace(query, deadline_s=None)))


def _more_telling(first: EngineError, second: EngineError) -> EngineError:
    """A prompt that fits only one of the two gets that one's error; a used-up budget gives way to the other's error."""
    if isinstance(first, PromptTooLongError):
        return second
    if isinstance(second, PromptTooLongError | BudgetExhaustedError):
        return first
    return second
