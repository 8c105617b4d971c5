"""Answers queries by an OpenAI-compatible API: from the cache, else within the budget, with retries where they help.

Knows the order of these; each is a module of its own.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog

from contract.errors import BusError, DocQAError, PromptTooLongError, ProxyError
from contract.messages import FinishReason, Query, Usage
from contract.redaction.redactor import BUILT_IN, Redactor
from inference_worker.engines.answer_text import Characters, Thoughts
from inference_worker.engines.base import Completion, Piece, estimated_tokens
from inference_worker.monitoring import metrics
from inference_worker.proxy.api_client import Remote
from inference_worker.proxy.budget import Budget, Reservation
from inference_worker.proxy.cache import AnswerCache
from inference_worker.proxy.errors import ApiError, NotUnderstoodError, ParameterError, TooLongError
from inference_worker.proxy.request import DISPENSABLE, Request, request_for
from inference_worker.proxy.response_stream import Chunk, usage_of
from inference_worker.proxy.retries import Breaker, Tries

_BYTES_PER_TOKEN: Final = 128
"""No vocabulary has longer tokens."""
_USUAL_BYTES_PER_TOKEN: Final = 4
_CUT_MARGIN: Final = 1.05
_BUS_TRIES: Final = 3
_BUS_RETRY_S: Final = 0.5

log = structlog.get_logger(__name__)

LoseTokens = Callable[[str, int], None]
"""Takes the owner and the tokens of a call that gave no answer."""


Narrow = Callable[[Query], Awaitable[Query]]


async def read_whole(query: Query) -> Query:
    """The whole document is sent."""
    return query


def ignore_lost_tokens(owner: str, tokens: int) -> None:
    """Count nothing."""


class ProxyEngine:
    """Asks up to `slots` questions at a time."""

    stalled_s = 0.0
    """Each wait for the API has a limit of its own."""
    blocker: str | None = None

    def __init__(
        self,
        remote: Remote,
        budget: Budget,
        cache: AnswerCache | None,
        *,
        model: str,
        slots: int,
        context_tokens: int,
        redactor: Redactor = BUILT_IN,
        breaker: Breaker | None = None,
        lose_tokens: LoseTokens = ignore_lost_tokens,
        narrow: Narrow = read_whole,
    ) -> None:
        """Owns `remote` from now on, and closes it. `narrow` says what of a question's document is sent."""
        self.model_name = model
        self.slots = slots
        self.context_tokens = context_tokens
        self.max_prompt_bytes = context_tokens * _BYTES_PER_TOKEN
        self.tokens_generated = 0
        self._remote = remote
        self._budget = budget
        self._cache = cache
        self._redactor = redactor
        self._breaker = breaker or Breaker()
        self._lose_tokens = lose_tokens
        self._narrow = narrow
        self._refused: frozenset[str] = frozenset()
        """Parameters that this model does not take, as its errors showed."""
        self._writes: set[asyncio.Task[None]] = set()

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """Never true: the API does not say what is in its memory."""
        return lambda: False

    async def forget(self) -> None:
        """It has no memory of its own; who erases finds the cached answers by their results."""

    def needs_slot(self, query: Query) -> bool:
        """Every query."""
        return True

    async def count_tokens(self, text: str) -> int:
        """An estimate: the API's tokenizer is not known."""
        return estimated_tokens(text)

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        """Yield pieces, then one completion. Closing the generator closes the connection.

        Raises PromptTooLongError, BudgetExhaustedError or ProxyError, which is passing only where pieces were yielded.
        """
        request = await self._request(await self._narrow(query))
        if found := await self._found(request, owner):
            yield Piece(found.text)
            yield found
            return
        async with contextlib.aclosing(self._tried(request, owner, Tries(query.deadline_s))) as events:
            async for event in events:
                yield await self._kept(request, owner, event) if isinstance(event, Completion) else event

    async def close(self) -> None:
        """Let what is being settled get there, and close all connections."""
        await asyncio.gather(*self._writes)
        await self._remote.close()

    async def _request(self, query: Query) -> Request:
        """What is sent; raises ProxyError for a text that does not pass the sanitizer."""
        try:
            # A megabyte takes a tenth of a second: not on the loop's thread.
            return await asyncio.to_thread(request_for, query, self.model_name, self._remote.target.url, self._redactor)
        except DocQAError as error:
            raise ProxyError(str(error), is_replayable=False) from None

    async def _tried(self, request: Request, owner: str, tries: Tries) -> AsyncGenerator[Piece | Completion, None]:
        left_out = _LeftOut()
        while True:
            await self._until_let_in(tries)
            has_yielded, refused = False, self._refused | left_out.names
            try:
                async with contextlib.aclosing(self._called(request, refused, owner)) as events:
                    async for event in events:
                        has_yielded = True
                        self._refused |= left_out.names
                        yield event
                return
            except TooLongError as error:
                if not 0 < error.left_tokens < request.max_tokens:
                    raise _too_long(error, request) from None
                log.info("asking for a shorter answer, which fits the proxy's model", max_tokens=error.left_tokens)
                request = request.shortened(error.left_tokens)
                continue
            except NotUnderstoodError as error:
                if not left_out.more(error):
                    raise left_out.failure() from None
                continue
            except ParameterError as error:
                if error.parameter in refused:
                    raise ProxyError(str(error)) from None
                log.info("the proxy's model refuses a parameter, which is not sent any more", parameter=error.parameter)
                self._refused |= {error.parameter}
                continue
            except ApiError as error:
                log.warning("the proxy gave no answer", reason=str(error))
                if has_yielded:
                    # Only a new attempt of the job begins its pieces anew.
                    raise ProxyError(
                        str(error), is_passing=error.is_passing, is_replayable=error.is_replayable
                    ) from None
                wait_s = tries.next_wait_s(error)
            await asyncio.sleep(wait_s)

    async def _until_let_in(self, tries: Tries) -> None:
        while wait_s := self._breaker.wait_s():
            open_now = ApiError("The proxy failed several times in a row and is not asked for a while.")
            await asyncio.sleep(tries.affordable(wait_s, open_now))

    async def _called(
        self, request: Request, refused: frozenset[str], owner: str
    ) -> AsyncGenerator[Piece | Completion, None]:
        """One call within the budget; raises ApiError or BudgetExhaustedError."""
        bill = _Bill(self._budget, await self._reserved(request.most_tokens))
        try:
            with self._breaker.guarded():
                metrics.count_proxy_call()
                async with contextlib.aclosing(self._read(request, refused)) as events:
                    async for event in events:
                        if isinstance(event, Completion):
                            self._breaker.succeeded()
                            # Before it is passed on: the generator may not be resumed after it.
                            await bill.settle(event.usage.prompt_tokens + event.usage.completion_tokens)
                        yield event
        except ApiError as error:
            if not error.may_have_cost:
                await bill.settle(0)
            raise
        finally:
            if not bill.is_settled:
                # Its cost is not known, so it counts in full. This task may be cancelled: so it waits for nothing.
                self._lose_tokens(owner, request.most_tokens)
                self._in_background(bill.settle(request.most_tokens))

    async def _read(self, request: Request, refused: frozenset[str]) -> AsyncGenerator[Piece | Completion, None]:
        """The API's answer to one call; raises ApiError."""
        answer = _Answer(request)
        asked = self._remote.ask(request.body(refused), request.most_response_bytes, request.max_tokens)
        async with contextlib.aclosing(asked) as chunks:
            async for chunk in chunks:
                if text := answer.take(chunk):
                    self.tokens_generated += 1
                    yield Piece(text)
        if text := answer.end():
            yield Piece(text)
        yield answer.completed(self.model_name)

    async def _reserved(self, tokens: int) -> Reservation:
        """Raises BudgetExhaustedError, or ProxyError where the bus does not say that the tokens are held."""
        for _ in range(_BUS_TRIES - 1):
            try:
                return await self._budget.reserve(tokens)
            except BusError as error:
                log.warning("tokens can't be reserved; retrying", reason=str(error))
                await asyncio.sleep(_BUS_RETRY_S)
        try:
            return await self._budget.reserve(tokens)
        except BusError as error:
            raise ProxyError(f"The proxy is not asked, since its budget can't be counted: {error}") from None

    async def _found(self, request: Request, owner: str) -> Completion | None:
        if not self._cache or not request.is_repeatable:
            return None
        found = await self._cache.find(owner, request.fingerprint)
        (metrics.CACHE_HITS if found else metrics.CACHE_MISSES).inc()
        return found

    async def _kept(self, request: Request, owner: str, completion: Completion) -> Completion:
        """Cache it before it is passed on: when the result is erased, its key leads to the cached answer."""
        if not self._cache or not request.is_repeatable:
            return completion
        key = await self._cache.keep(owner, request.fingerprint, completion)
        return msgspec.structs.replace(completion, cache_key=key)

    def _in_background(self, write: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(write)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)


class _LeftOut:
    """The parameters that one question is tried without, where the API does not say which one it refuses."""

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self._steps = [frozenset({"stream_options"}), DISPENSABLE]
        self._first: NotUnderstoodError | None = None

    def more(self, error: NotUnderstoodError) -> bool:
        """Leave out more; False when that was all."""
        self._first = self._first or error
        if not self._steps:
            return False
        self.names = self._steps.pop(0)
        return True

    def failure(self) -> ProxyError:
        """What the API said to the whole question."""
        return ProxyError(str(self._first), is_replayable=False)


class _Bill:
    """What one call is charged: settled once."""

    def __init__(self, budget: Budget, reservation: Reservation) -> None:
        self._budget = budget
        self._reservation = reservation
        self.is_settled = False

    async def settle(self, tokens: int) -> None:
        self.is_settled = True
        if tokens > self._reservation.tokens:
            log.warning("the proxy charged more than it can have used", charged=tokens, most=self._reservation.tokens)
        await self._budget.settle(self._reservation, tokens)
        metrics.count_proxy_tokens(tokens)


class _Answer:
    """An answer as it comes in."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._characters, self._thoughts = Characters(), Thoughts()
        self._parts: list[str] = []
        self._has_reasoning = False
        self._usage: Any = None
        self._finish_reason: FinishReason | None = None
        self._began_s = time.monotonic()
        self._first_s: float | None = None

    def take(self, chunk: Chunk) -> str:
        """The part of the answer that came with it."""
        self._usage = chunk.usage or self._usage
        self._finish_reason = chunk.finish_reason or self._finish_reason
        self._has_reasoning = self._has_reasoning or chunk.has_reasoning
        return self._add(self._thoughts.feed(self._characters.feed(chunk.text)))

    def end(self) -> str:
        """The part that was held back."""
        return self._add(self._thoughts.feed(self._characters.finish()) + self._thoughts.finish())

    def _add(self, text: str) -> str:
        if text:
            self._first_s = self._first_s or time.monotonic()
            self._parts.append(text)
        return text

    def completed(self, model: str) -> Completion:
        """All of it; raises ApiError when its end did not come, or when it is empty."""
        if self._finish_reason is None:
            raise ApiError("The proxy's answer was cut off.", is_passing=True)
        text, now_s = "".join(self._parts), time.monotonic()
        if not text.strip():
            raise self._empty()
        first_s = self._first_s or now_s
        most = Usage(self._request.most_prompt_tokens, self._request.max_tokens)
        return Completion(
            text=text,
            finish_reason=self._finish_reason,
            # A usage that is not reported counts as the most that it can be.
            usage=usage_of(self._usage, self._request.prompt_bytes, text) or most,
            prefill_ms=(first_s - self._began_s) * 1000,
            decode_ms=(now_s - first_s) * 1000,
            model=model,
            backend="proxy",
        )

    def _empty(self) -> ApiError:
        if self._has_reasoning or self._thoughts.found:
            return ApiError("The proxy's model gave its reasoning and no answer: ask with a larger `max_tokens`.")
        return ApiError("The proxy's answer is empty.")


def _too_long(error: TooLongError, request: Request) -> PromptTooLongError:
    """As the local engine says it: the API counts tokens, not characters. What it did not say is estimated."""
    prompt_tokens = error.prompt_tokens or max(
        request.prompt_bytes // _USUAL_BYTES_PER_TOKEN, error.limit_tokens + 1, 2
    )
    limit_tokens = error.limit_tokens or prompt_tokens - 1
    over = max(prompt_tokens - limit_tokens, 1) / prompt_tokens
    cut_chars = math.ceil(over * request.prompt_bytes * _CUT_MARGIN)
    return PromptTooLongError(prompt_tokens, limit_tokens, min(cut_chars, request.prompt_bytes))
