"""The thread that owns the model: schedules a step, runs it, hands each sequence its token. See `engine`."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from contract.errors import EngineError
from contract.messages import Usage
from inference_worker.engines.base import Completion, Piece
from inference_worker.llama.kv_memory import NoRoomError
from inference_worker.llama.scheduler import Scheduler
from inference_worker.llama.sequence import Sequence, Span

if TYPE_CHECKING:
    from inference_worker.llama.binding.model import Model, Saved
    from inference_worker.llama.binding.sampler import Sampler

log = structlog.get_logger(__name__)

STOPPED: Final = "The engine was stopped."


OnStep: TypeAlias = Callable[[float, float], None]
"""Takes a step's seconds, from its scheduling to its last token, and those of them spent inside llama.cpp."""


Event: TypeAlias = Piece | Completion | EngineError


Planned: TypeAlias = "tuple[Sequence[Sampler], Span]"


class Ticket:
    """One query between the two sides: its sequence for the thread, its events for the asyncio side."""

    def __init__(self, sequence: "Sequence[Sampler]") -> None:
        self.sequence = sequence
        self.cancelled = False
        self._loop = asyncio.get_running_loop()
        self.context = contextvars.copy_context()
        """The job's name, for the thread's log lines on it."""
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    async def next_event(self) -> Piece | Completion:
        """The next event; raises it when it is an error."""
        event = await self._events.get()
        if isinstance(event, EngineError):
            raise event
        return event

    def post(self, event: Event) -> None:
        """Hand an event over, from the engine's thread."""
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:
            # The event loop is closed: no request waits for this answer any more.
            self.cancelled = True


class StepLoop:
    """The thread's side: schedule, run, postprocess, while there is something to answer."""

    def __init__(self, model: "Model", cache_bytes: int, shared_prefixes: list[list[int]], on_step: OnStep) -> None:
        """Start the thread, which alone uses `model`'s context until `stop`.

        `shared_prefixes` are prefilled once, for all owners.
        """
        self.tokens_generated = 0
        self._on_step = on_step
        self._model = model
        self._scheduler: Scheduler[Sampler, Saved] = Scheduler(
            model, model.rows, model.context_tokens, model.step_tokens, cache_bytes, can_cut=model.can_cut
        )
        self._shared_prefixes = shared_prefixes
        self._tickets: dict[Sequence[Sampler], Ticket] = {}
        self._inbox: SimpleQueue[Ticket | Future[None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._stopped = self._is_stopping = False
        self._is_warm = threading.Event()
        self._first_error: Exception | None = None
        self._progress_s: float | None = None
        self._thread = threading.Thread(target=self._main, name="engine", daemon=True)
        self._thread.start()

    @property
    def documents(self) -> frozenset[str]:
        """The documents that need no prefill. For any thread."""
        return self._scheduler.documents

    @property
    def has_died(self) -> bool:
        """True when the thread ended and nothing asked it to: no query is answered any more. For any thread."""
        return not self._is_stopping and not self._thread.is_alive()

    @property
    def stalled_s(self) -> float:
        """Seconds since the last completed step while there is work; 0 when idle. For any thread."""
        since_s = self._progress_s
        return time.monotonic() - since_s if since_s is not None else 0.0

    def submit(self, ticket: Ticket) -> None:
        """Queue a ticket, from any thread; raises EngineError once stopped."""
        with self._lock:
            if self._stopped:
                ticket.sequence.sampler.close()
                raise EngineError(STOPPED)
            self._inbox.put(ticket)

    def forget(self) -> "Future[None]":
        """Forget what was read, before the next step; done once it is forgotten. From any thread."""
        forgotten: Future[None] = Future()
        with self._lock:
            if self._stopped:
                forgotten.set_result(None)
            else:
                self._inbox.put(forgotten)
        return forgotten

    def first_error(self) -> Exception | None:
        """Wait until the shared prefixes are prefilled; what went wrong with the last of them."""
        self._is_warm.wait()
        return self._first_error

    def stop(self) -> None:
        """End after the current step; tickets that are not done get an EngineError."""
        with self._lock:
            self._stopped = self._is_stopping = True
            self._inbox.put(None)
        self._thread.join()

    def _main(self) -> None:
        try:
            self._prefill_shared_prefixes()
            self._is_warm.set()
            while self._receive():
                began_s, library_s = time.perf_counter(), self._model.library_s
                self._step()
                self._on_step(time.perf_counter() - began_s, self._model.library_s - library_s)
        finally:
            self._progress_s = None
            self._is_warm.set()
            self._refuse_all()

    def _prefill_shared_prefixes(self) -> None:
        """Prefill what every prompt begins with, before the first query comes; this also loads the weights.

        The watchdog does not count it: the first step reads all weights from the disk, however long that takes.
        """
        for tokens in self._shared_prefixes:
            try:
                for start in range(0, len(tokens), self._model.step_tokens):
                    part = tokens[start : start + self._model.step_tokens]
                    began_s = time.monotonic()
                    self._model.decode([Span(0, start, part, wants_logits=True)])
                    self._scheduler.pace.note(len(part), time.monotonic() - began_s)
                self._scheduler.pin(tokens, self._model.save(0))
            # Whatever llama.cpp or numpy raise here, they raise again for a query, which reports it. Without the prefix
            # each query prefills it for itself: slower, and nothing else.
            except Exception as error:
                self._first_error = error
                log.exception("the shared prefix of prompts could not be prefilled")
            self._model.forget(0)

    def _receive(self) -> bool:
        """Take in submitted tickets, waiting when there is nothing else to do; False when it is time to stop."""
        while not self._inbox.empty() or not self._tickets:
            if not self._tickets:
                self._progress_s = None
            ticket = self._inbox.get()
            if ticket is None:
                return False
            if isinstance(ticket, Future):
                self._scheduler.forget()
                ticket.set_result(None)
                continue
            if not self._tickets:
                self._progress_s = time.monotonic()
            self._tickets[ticket.sequence] = ticket
            self._scheduler.add(ticket.sequence)
        return True

    def _step(self) -> None:
        try:
            self._drop_cancelled()
            batch = self._scheduler.schedule(time.monotonic())
            batch, logits_at = self._run(batch)
            self._postprocess(batch, logits_at)
        # Of any kind: this thread must live on, or every later query would wait for ever.
        except Exception:
            # The KV cache can't be trusted any more.
            log.exception("step failed", queries=len(self._scheduler.running))
            self._model.clear()
            self._fail(*self._scheduler.running)
            self._scheduler.clear()

    def _run(self, batch: list[Planned]) -> tuple[list[Planned], list[int]]:
        """Run the step, without the sequences that were preempted for want of room; the index of each one's logits."""
        while batch:
            began_s = time.monotonic()
            try:
                logits_at = self._model.decode([span for _, span in batch])
            except NoRoomError:
                if not self._scheduler.relieve():
                    raise
                batch = [(sequence, span) for sequence, span in batch if sequence.has_row]
            else:
                self._progress_s = time.monotonic()
                self._scheduler.advance(batch, began_s, self._progress_s)
                return batch, logits_at
        return [], []

    def _postprocess(self, batch: list[Planned], logits_at: list[int]) -> None:
        """Sample the next token of each sequence whose tokens were all evaluated."""
        for (sequence, span), index in zip(batch, logits_at, strict=True):
            if span.wants_logits:
                try:
                    self._take_token(self._tickets[sequence], index)
                # Of any kind, a caller's callback included: it fails one query, and not the others of the step.
                except Exception:
                    self._tickets[sequence].context.copy().run(log.exception, "query failed")
                    self._fail(sequence)

    def _take_token(self, ticket: Ticket, index: int) -> None:
        sequence = ticket.sequence
        token = self._model.sample(sequence.sampler, index)
        if self._model.vocabulary.ends_answer(token):
            text = sequence.accept_end()
        else:
            text = sequence.accept(token, self._model.vocabulary.piece(token))
            self.tokens_generated += 1
        if text:
            ticket.post(Piece(text))
        if completion := _completion(sequence):
            self._retire(sequence)
            ticket.post(completion)

    def _retire(self, sequence: "Sequence[Sampler]") -> None:
        del self._tickets[sequence]
        self._scheduler.remove(sequence)
        sequence.sampler.close()

    def _drop_cancelled(self) -> None:
        for ticket in [ticket for ticket in self._tickets.values() if ticket.cancelled]:
            self._retire(ticket.sequence)

    def _fail(self, *sequences: "Sequence[Sampler]") -> None:
        for sequence in sequences:
            ticket = self._tickets[sequence]
            self._retire(sequence)
            ticket.post(EngineError())

    def _refuse_all(self) -> None:
        """Fail all tickets that are left, whatever ended the thread."""
        with self._lock:
            self._stopped = True
        while not self._inbox.empty():
            ticket = self._inbox.get()
            if isinstance(ticket, Future):
                ticket.set_result(None)
            elif ticket:
                self._tickets[ticket.sequence] = ticket
        for ticket in self._tickets.values():
            ticket.sequence.sampler.close()
            ticket.post(EngineError(STOPPED))


def _completion(sequence: "Sequence[Sampler]") -> Completion | None:
    if sequence.finish_reason is None:
        return None
    return Completion(
        text=sequence.text,
        finish_reason=sequence.finish_reason,
        usage=Usage(sequence.prompt_tokens, sequence.completion_tokens, sequence.cached_tokens),
        prefill_ms=sequence.prefill_ms,
        decode_ms=sequence.decode_ms,
    )
