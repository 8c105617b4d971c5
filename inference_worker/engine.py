"""Answers queries with a local model: one thread owns the model, asyncio talks to it through queues.

Knows the order of work, not llama.cpp (`model`), the wording (`prompt`) or a query's own state (`sequence`).
"""

import asyncio
import math
import threading
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
import structlog

from contract.errors import EngineError, PromptTooLongError
from contract.messages import Query, Usage
from inference_worker.generation import Completion, Piece
from inference_worker.sequence import Sequence, Span

if TYPE_CHECKING:
    from inference_worker.model import Model, Sampler

_ANSWER_SHARE: Final = 4
"""A prompt leaves room for the whole answer asked for, or else for this part of the context."""

_CUT_MARGIN: Final = 1.05
"""Tokens are not spread evenly over a text."""

_STOPPED: Final = "The engine was stopped."

Event: TypeAlias = Piece | Completion | EngineError

log = structlog.get_logger(__name__)


class LlamaEngine:
    """The asyncio side: takes any number of queries, and hands each its events as the thread makes them."""

    def __init__(self, model: "Model", slots: int) -> None:
        """Owns `model` from now on, and closes it."""
        self.slots = slots
        self._model = model
        self._closed = False
        self._tokenizer = ThreadPoolExecutor(1, "tokenizer")
        self._steps = StepLoop(model)

    @property
    def model_name(self) -> str:
        return self._model.name

    @property
    def context_tokens(self) -> int:
        return self._model.context_tokens

    @property
    def max_prompt_bytes(self) -> int:
        return self._model.context_tokens * self._model.longest_token_bytes

    @property
    def tokens_generated(self) -> int:
        return self._steps.tokens_generated

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        """Yield pieces, then one completion. Closing the generator stops the work at the next step.

        Raises PromptTooLongError, or EngineError for what went wrong inside.
        """
        reading = await self._read(query)
        ticket = self._admit(query, reading)
        try:
            while True:
                event = await ticket.next_event()
                yield event
                if isinstance(event, Completion):
                    return
        finally:
            ticket.cancelled = True

    async def close(self) -> None:
        """Stop the thread at its next step and free the model; what is still generating raises EngineError."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._shut_down)

    async def _read(self, query: Query) -> "Reading":
        # A megabyte takes a second: not on the loop's thread, and not on the engine's either.
        if self._closed:
            raise EngineError(_STOPPED)
        try:
            return await asyncio.wrap_future(self._tokenizer.submit(self._tokenize, query))
        except Exception:
            log.exception("prompt failed")
            raise EngineError from None

    def _tokenize(self, query: Query) -> "Reading":
        prompt = self._model.template.render(query.query, query.context)
        before = self._model.tokenize(prompt.before, parse_special=True)
        user = self._model.tokenize(prompt.user, parse_special=False)
        after = self._model.tokenize(prompt.after, parse_special=True)
        opening = self._model.opening()
        if before[: len(opening)] == opening:
            opening = []
        return Reading(opening + before + user + after, len(user), len(prompt.user))

    def _admit(self, query: Query, reading: "Reading") -> "Ticket":
        budget = answer_budget(reading, query.max_tokens, self._model.context_tokens)
        sampler = self._model.sampler(query.temperature, query.top_p, query.seed)
        ticket = Ticket(Sequence(reading.tokens, budget, sampler, query.stop))
        self._steps.submit(ticket)
        return ticket

    def _shut_down(self) -> None:
        # First those that use the model, then the model.
        self._tokenizer.shutdown()
        self._steps.stop()
        self._model.close()


class Reading(msgspec.Struct, frozen=True):
    """A prompt as tokens; how many of them, and of how many characters, are the user's own text."""

    tokens: list[int]
    user_tokens: int
    user_chars: int


def answer_budget(reading: Reading, max_tokens: int, context_tokens: int) -> int:
    """How many tokens the answer may have; raises PromptTooLongError when too few would be left for it."""
    prompt_tokens = len(reading.tokens)
    limit = context_tokens - min(max_tokens, context_tokens // _ANSWER_SHARE)
    if prompt_tokens > limit:
        chars_per_token = reading.user_chars / max(1, reading.user_tokens)
        cut_chars = math.ceil((prompt_tokens - limit) * chars_per_token * _CUT_MARGIN)
        raise PromptTooLongError(prompt_tokens, limit, min(cut_chars, reading.user_chars))
    return min(max_tokens, context_tokens - prompt_tokens)


class Ticket:
    """One query between the two sides: its sequence for the thread, its events for the asyncio side."""

    def __init__(self, sequence: "Sequence[Sampler]") -> None:
        self.sequence = sequence
        self.cancelled = False
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    async def next_event(self) -> Piece | Completion:
        """What was posted next; raises it when it is an error."""
        event = await self._events.get()
        if isinstance(event, EngineError):
            raise event
        return event

    def post(self, event: Event) -> None:
        """Hand an event over, from the engine's thread."""
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:
            # The loop is closed: nobody waits for this answer.
            self.cancelled = True


class StepLoop:
    """The thread's side: schedule, run, postprocess, for as long as there is something to answer."""

    def __init__(self, model: "Model") -> None:
        """Start the thread, which alone uses `model`'s context until `stop`."""
        self.tokens_generated = 0
        self._model = model
        self._inbox: SimpleQueue[Ticket | None] = SimpleQueue()
        self._waiting: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._free_rows = list(range(model.rows))
        self._door = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._main, name="engine", daemon=True)
        self._thread.start()

    def submit(self, ticket: Ticket) -> None:
        """Take a ticket in, from any thread; raises EngineError once stopped."""
        with self._door:
            if self._stopped:
                ticket.sequence.sampler.close()
                raise EngineError(_STOPPED)
            self._inbox.put(ticket)

    def stop(self) -> None:
        """End after the current step; tickets that are not done get an EngineError."""
        with self._door:
            self._stopped = True
            self._inbox.put(None)
        self._thread.join()

    def _main(self) -> None:
        try:
            while self._receive():
                self._step()
        finally:
            self._refuse_all()

    def _receive(self) -> bool:
        """Take in what was submitted, waiting when there is nothing else to do; False when it is time to stop."""
        while not self._inbox.empty() or not (self._waiting or self._running):
            ticket = self._inbox.get()
            if ticket is None:
                return False
            self._waiting.append(ticket)
        return True

    def _step(self) -> None:
        try:
            batch = self._schedule()
            if batch:
                self._postprocess(batch, self._run(batch))
        except Exception:
            # Nothing that was in the model's memory can be trusted any more.
            log.exception("step failed", queries=len(self._running))
            self._model.clear()
            self._fail(*self._running)

    def _schedule(self) -> list[tuple[Ticket, Span]]:
        """Choose the tokens of the next step: first come, first served."""
        self._drop_cancelled()
        while self._waiting and self._free_rows:
            self._start(self._waiting.popleft())
        batch, room = [], self._model.batch_tokens
        for ticket in self._running:
            if room:
                span = ticket.sequence.next_span(room)
                room -= len(span.tokens)
                batch.append((ticket, span))
        return batch

    def _run(self, batch: list[tuple[Ticket, Span]]) -> list[int]:
        places = self._model.decode([span for _, span in batch])
        for ticket, span in batch:
            ticket.sequence.advance(len(span.tokens))
        return places

    def _postprocess(self, batch: list[tuple[Ticket, Span]], places: list[int]) -> None:
        for (ticket, span), place in zip(batch, places, strict=True):
            if span.wants_logits:
                try:
                    self._take_token(ticket, place)
                except Exception:
                    log.exception("query failed")
                    self._fail(ticket)

    def _take_token(self, ticket: Ticket, place: int) -> None:
        sequence = ticket.sequence
        token = self._model.sample(sequence.sampler, place)
        if self._model.ends_answer(token):
            text = sequence.accept_end()
        else:
            text = sequence.accept(token, self._model.piece(token))
            self.tokens_generated += 1
        if text:
            ticket.post(Piece(text))
        if completion := _completion(sequence):
            self._retire(ticket)
            ticket.post(completion)

    def _start(self, ticket: Ticket) -> None:
        ticket.sequence.begin(self._free_rows.pop())
        self._running.append(ticket)

    def _retire(self, ticket: Ticket) -> None:
        self._running.remove(ticket)
        self._model.forget(ticket.sequence.row)
        self._free_rows.append(ticket.sequence.row)
        ticket.sequence.sampler.close()

    def _drop_cancelled(self) -> None:
        for ticket in [ticket for ticket in self._running if ticket.cancelled]:
            self._retire(ticket)
        for ticket in [ticket for ticket in self._waiting if ticket.cancelled]:
            self._waiting.remove(ticket)
            ticket.sequence.sampler.close()

    def _fail(self, *tickets: Ticket) -> None:
        for ticket in tickets:
            self._retire(ticket)
            ticket.post(EngineError())

    def _refuse_all(self) -> None:
        """Leave nobody waiting, whatever ended the thread."""
        with self._door:
            self._stopped = True
        while not self._inbox.empty():
            if ticket := self._inbox.get():
                self._waiting.append(ticket)
        for ticket in (*self._running, *self._waiting):
            ticket.sequence.sampler.close()
            ticket.post(EngineError(_STOPPED))


def _completion(sequence: "Sequence[Sampler]") -> Completion | None:
    if sequence.finish_reason is None:
        return None
    return Completion(
        text=sequence.text,
        finish_reason=sequence.finish_reason,
        usage=Usage(sequence.prompt_tokens, sequence.completion_tokens),
        prefill_ms=sequence.prefill_ms,
        decode_ms=sequence.decode_ms,
    )
