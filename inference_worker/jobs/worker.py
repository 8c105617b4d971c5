"""Serves one job from its delivery to its ack. What must happen in order happens here, in that order."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from typing import Final

import msgspec
import structlog
from nats.aio.msg import Msg
from uuid_utils import uuid7

from contract import topology
from contract.bus import Bus, restore_mark
from contract.errors import (
    BadMessageError,
    BadNameError,
    BusError,
    EngineError,
    LibraryUnavailableError,
    MessageTooLargeError,
    NewerVersionError,
    PromptTooLongError,
    TooManySecretsError,
    UnreadableResultError,
)
from contract.messages import (
    Answer,
    Backend,
    Failure,
    Query,
    Result,
    TokenEvent,
    Usage,
    decode_query,
    decode_result,
    encode,
)
from contract.runtime import logs
from contract.runtime.metrics import count_redactions
from contract.runtime.tracing import NO_TRACER, Tracer, traceparent_of
from contract.sanitize import sanitize_apart
from contract.topology import JobName
from inference_worker.engines.base import Completion, Engine, Evidence, cost_tokens
from inference_worker.jobs import outcomes
from inference_worker.jobs.attempts import StartRecord, Starts
from inference_worker.jobs.consumer import Consumer
from inference_worker.jobs.fair_queue import Claim
from inference_worker.jobs.job import Job
from inference_worker.jobs.letter_limit import LetterLimit
from inference_worker.jobs.outbox import Outbox
from inference_worker.jobs.outcomes import Outcome
from inference_worker.jobs.pace import Pace
from inference_worker.jobs.slots import Slots
from inference_worker.jobs.sweeper import Sweeper
from inference_worker.jobs.throughput import Throughput
from inference_worker.monitoring import metrics
from inference_worker.settings import WorkerSettings

NEWER_VERSION_DELAY_S: Final = 5.0
RETRY_DELAY_S: Final = 1.0
BATCH_WEIGHT: Final = 1 / 16
"""Of a client's jobs of class `batch`, which take turns apart from its others: what is left over, and never nothing."""
_MAY_BE_RESTORED_AFTER_S: Final = 1.0
"""Jobs younger than this cannot predate a restore; skip the lookup."""

CountUsage = Callable[[str, Backend, Usage], None]
"""Takes one answer's tokens: of which client (`<publisher>.<client>`), made by whom."""

log = structlog.get_logger(__name__)


def ignore_usage(owner: str, backend: Backend, usage: Usage) -> None:
    """Count nothing."""


class Worker:
    """Takes jobs off the durable and ends each with exactly one result."""

    def __init__(
        self,
        bus: Bus,
        engine: Engine,
        settings: WorkerSettings,
        tracer: Tracer = NO_TRACER,
        count_usage: CountUsage = ignore_usage,
        expected_pace: float = 0.0,
    ) -> None:
        """`expected_pace`: jobs per second while all slots are busy, before any was measured; 0 for not known."""
        self._bus = bus
        self._engine = engine
        self._settings = settings
        self._redactor = settings.redactor()
        self._outward = settings.outward_redactor()
        self._tracer = tracer
        self._count_usage = count_usage
        self._slots = Slots(engine.slots)
        self._starts = Starts(bus.starts)
        self._bad_letters = LetterLimit()
        self.throughput = Throughput()
        self.pace = Pace(engine.slots, expected_pace)
        self.consumer = Consumer(bus, self.serve, 2 * engine.slots, settings.ack_wait_s)
        self.sweeper = Sweeper(bus, lambda: self.consumer.jobs, settings.job_deadline_s)
        self._outbox = Outbox(bus, self.consumer.pause, self.consumer.resume)
        metrics.SLOTS.set(engine.slots)

    @property
    def busy(self) -> int:
        return self._slots.running

    @property
    def error(self) -> str:
        """Why results can't be stored now; empty while they can."""
        return self._outbox.error

    @property
    def held(self) -> int:
        return self.consumer.held

    async def on_cancel(self, message: Msg) -> None:
        """Cancel the job that a message on `docqa.cancel.>` names, whether it is held or waits."""
        subject = topology.cancelled_job(message.subject)
        if not self.consumer.cancel(subject):
            await self.sweeper.on_cancel(subject)

    def make_room(self, idle_elsewhere: int) -> None:
        """Leave waiting jobs to other workers while they have idle slots: none that could run now waits for long."""
        self.consumer.bound((1 if idle_elsewhere else 2) * self._engine.slots)
        if idle_elsewhere:
            self.consumer.give_back(idle_elsewhere)

    @property
    def started(self) -> list[str]:
        """The subjects of the jobs that were started, for the log."""
        return self.consumer.started

    async def serve(self, job: Job) -> None:
        """End the job, or give it back for another try. Raises BusError, and unexpected errors."""
        try:
            name = JobName.from_subject(job.subject)
        except BadNameError as error:
            return await self._end_nameless(job, str(error))
        with self._tracer.span("job", traceparent_of(job.headers), "consumer", docqa_job=name.key) as job.trace:
            logs.about_job(name, job.trace)
            try:
                await self._serve(job, name)
            except NewerVersionError:
                await job.give_back(NEWER_VERSION_DELAY_S)
            except EngineError:
                await job.give_back(RETRY_DELAY_S)
            except UnreadableResultError as error:
                # Somebody newer wrote it, and it is the job's result all the same.
                log.warning("job has a result that this version can't read", reason=str(error))
                await job.ack()
            except BusError:
                raise
            # A bug over one job: counted like a start, so that it ends as a dead letter and not tried for ever.
            except Exception as error:
                await self._count_as_start(job, name, error)

    async def _serve(self, job: Job, name: JobName) -> None:
        """Answer, store the result, reply with what the bucket holds, ack."""
        if (query := await self._quick(job)) is not None:
            await self._count_from(job)
            return await self._leave(job, name, await self._attempt(job, name, query))
        starts, stored, _ = await asyncio.gather(self._starts.of(name), self._stored(name), self._count_from(job))
        job.is_counted = starts.total > 0
        if stored is None:
            outcome = await self._end(job, name, starts)
        else:
            outcome = Outcome(stored)
            if not job.is_redelivered:
                self._count_ended_outside(job, stored)
        await self._leave(job, name, outcome)

    async def _quick(self, job: Job) -> Query | None:
        """The query of a job that is delivered for the first time and needs no model: it takes milliseconds.

        Its start is not counted, and no result is looked for before it is made; creating one finds another's. So a
        quote costs two writes on the bus, not five. If it ends the process, the job is delivered again and counted.
        """
        if job.is_redelivered:
            return None
        try:
            query = await self._query_of(job)
        except (BadMessageError, TooManySecretsError):
            return None
        return None if self._engine.needs_slot(query) else query

    async def _query_of(self, job: Job) -> Query:
        """The sanitized query. Raises BadMessageError, NewerVersionError, TooManySecretsError."""
        if job.query is None:
            job.query, redacted = await sanitize_apart(decode_query(job.body), self._redactor)
            count_redactions(redacted)
        return job.query

    async def _leave(self, job: Job, name: JobName, outcome: Outcome) -> None:
        """Reply with the stored result, take the job off the stream, forget its starts."""
        with self._tracer.span("reply", job.trace):
            await self._outbox.reply(name, outcome.result)
            await (job.terminate() if outcome.dead_letter else job.ack())
        log.info("job ended", outcome=outcome.label, age_s=round(self._bus.clock.age_s(job.accepted_s), 3))
        if not job.is_counted:
            return
        try:
            await self._starts.forget(name)
        except BusError as error:
            # Its time to live ends it too.
            log.warning("the job's count of starts was not deleted", reason=str(error))

    async def _end(self, job: Job, name: JobName, starts: StartRecord) -> Outcome:
        """Bring the job to its stored result. Raises NewerVersionError or EngineError for another try."""
        try:
            query = await self._query_of(job)
        except BadMessageError as error:
            return await self._end_bad(job, name, str(error), starts.total)
        except TooManySecretsError as error:
            # No dead letter: that would be a store of secrets.
            outcome = outcomes.failed(job, name, "too-many-secrets", str(error), attempts=starts.total)
            return await self._store(job, name, outcome)
        if starts.alone >= self._settings.max_attempts:
            detail = f"The job was started {starts.total} times and no attempt came to its end."
            outcome = outcomes.dead_lettered(job, name, "attempts-exhausted", detail, self._outward, starts.total)
            return await self._store(job, name, outcome)
        if not starts.total and not self._engine.needs_slot(query):
            return await self._attempt(job, name, query)
        return await self._in_a_slot(job, name, query, starts)

    async def _end_bad(self, job: Job, name: JobName, detail: str, starts: int) -> Outcome:
        """A body that is no query: its result is the first to make room for others, and few of them keep letters."""
        outcome = outcomes.dead_lettered(job, name, "bad-message", detail, self._outward, starts)
        if not self._bad_letters.admits(name.publisher):
            outcome = outcomes.failed(job, name, "bad-message", detail, attempts=starts)
        outcome = await self._store(job, name, outcome)
        with contextlib.suppress(BusError):
            await self._bus.publish(name.read_subject, b"")
        return outcome

    async def _in_a_slot(self, job: Job, name: JobName, query: Query, starts: StartRecord) -> Outcome:
        """Wait for a slot until the deadline or a cancel, and make one attempt in it."""
        claim = self._claim(name, query, starts)
        try:
            has_waited = await self._enter(job, claim, self._left_s(job, query))
        except TimeoutError:
            return await self._store(job, name, outcomes.too_late(job, name, self._deadline_s(query)))
        except asyncio.CancelledError:
            if not job.is_cancelled or _is_being_cancelled():
                raise
            return await self._store(job, name, outcomes.failed(job, name, "cancelled", "The job was cancelled."))
        try:
            stored = await self._stored(name) if has_waited else None
            return Outcome(stored) if stored else await self._attempt(job, name, query, claim.company)
        finally:
            self._slots.leave()

    async def _enter(self, job: Job, claim: Claim, within_s: float) -> bool:
        """Enter a slot; True if it had to wait. Raises TimeoutError, and CancelledError for a cancelled job."""
        entering = asyncio.ensure_future(self._slots.enter(claim))
        job.begin(entering)
        job.waits_since_s = time.monotonic()
        try:
            return await asyncio.wait_for(entering, within_s)
        except (TimeoutError, asyncio.CancelledError):
            if entering.done() and not entering.cancelled():
                self._slots.leave()
            raise
        finally:
            job.waits_since_s = math.inf

    def _claim(self, name: JobName, query: Query, starts: StartRecord) -> Claim:
        owner, is_batch = _owner(name), query.job_class == "batch"
        return Claim(
            owner=f"{owner} batch" if is_batch else owner,
            weight=BATCH_WEIGHT if is_batch else 1.0,
            cost_tokens=cost_tokens(query, self._engine.context_tokens),
            is_warm=self._engine.watch(query, owner),
            company=starts.next_company(self._engine.slots),
        )

    async def _attempt(self, job: Job, name: JobName, query: Query, company: int = 0) -> Outcome:
        """One start, and what is stored after it; `company`: how many suspects may run together, 0 for no suspect."""
        if job.is_cancelled:
            return await self._store(job, name, outcomes.failed(job, name, "cancelled", "The job was cancelled."))
        job.is_started = True
        starts = await self._count_start(job, name, query, company or self._engine.slots)
        metrics.STARTED.inc()
        started_s = self._bus.clock.now_s()
        metrics.QUEUE_WAIT.observe(max(started_s - job.accepted_s, 0))
        self._tracer.record("wait in the queue", job.trace, job.accepted_s, started_s)
        try:
            with self.pace.job():
                outcome = await self._generate(job, name, query, starts)
            return await self._store(job, name, outcome)
        except (asyncio.CancelledError, LibraryUnavailableError):
            # The drain's limit, or no library: the job stops here by no fault of its own.
            if job.is_counted:
                with contextlib.suppress(BusError):
                    await self._starts.take_back(name)
            raise

    async def _count_start(self, job: Job, name: JobName, query: Query, company: int) -> StartRecord:
        if not job.is_redelivered and not self._engine.needs_slot(query):
            return StartRecord().added(company)
        job.is_counted = True
        return await self._starts.add(name, company)

    async def _generate(self, job: Job, name: JobName, query: Query, starts: StartRecord) -> Outcome:
        """Run the engine within the deadline; raises EngineError while there are attempts left."""
        attempt = starts.total
        started_s = self._bus.clock.now_s()
        left_s = self._left_s(job, query)
        within = msgspec.structs.replace(query, deadline_s=left_s)
        generation = asyncio.ensure_future(self._consume(job, name, within, attempt))
        job.begin(generation)
        try:
            completion = await asyncio.wait_for(generation, left_s)
        except TimeoutError:
            return outcomes.too_late(job, name, self._deadline_s(query))
        except LibraryUnavailableError:
            raise
        except PromptTooLongError as error:
            return outcomes.prompt_too_long(job, name, error)
        except EngineError as error:
            log.warning("attempt failed", attempt=attempt, reason=str(error))
            if error.is_passing and starts.blamed().alone < self._settings.max_attempts:
                await self._blame(job, name)
                raise
            return outcomes.engine_failed(job, name, error, self._outward, attempt)
        except asyncio.CancelledError:
            if not job.is_cancelled or _is_being_cancelled():
                raise
            return outcomes.failed(job, name, "cancelled", "The job was cancelled.", attempts=attempt)
        self._note(job, name, completion, started_s)
        return outcomes.answered(
            job, name, completion, completion.model or self._engine.model_name, started_s, self._bus.clock.now_s()
        )

    async def _consume(self, job: Job, name: JobName, query: Query, attempt: int) -> Completion:
        """Pass pieces on as they come; the completion."""
        index = 0
        async with contextlib.aclosing(self._engine.generate(query, _owner(name))) as events:
            async for event in events:
                if isinstance(event, Completion):
                    return event
                if isinstance(event, Evidence):
                    await self._outbox.stream(name, TokenEvent(attempt, index, "", event.found))
                    continue
                if not index:
                    metrics.FIRST_TOKEN.observe(self._bus.clock.age_s(job.accepted_s))
                await self._outbox.stream(name, TokenEvent(attempt, index, event.text))
                index += 1
        raise EngineError("The engine ended without a completion.")

    def _note(self, job: Job, name: JobName, completion: Completion, started_s: float) -> None:
        """Count what was done, for the metrics, the usage and the trace."""
        metrics.count_work(completion, self._bus.clock.age_s(started_s))
        self._count_usage(_owner(name), completion.backend, completion.usage)
        prefilled_s = started_s + completion.prefill_ms / 1000
        decoded_s = prefilled_s + completion.decode_ms / 1000
        self._tracer.record("prefill", job.trace, started_s, prefilled_s)
        self._tracer.record("decode", job.trace, prefilled_s, decoded_s)

    async def _store(self, job: Job, name: JobName, outcome: Outcome) -> Outcome:
        """Store the dead letter, then the result, and return what is stored, by this worker or another.

        A crash in between loses neither.
        A result that the bus refuses for its size is replaced by a failure that says so.
        """
        if outcome.dead_letter:
            await self._outbox.dead_letter(outcome.dead_letter, name.job_id, str(job.stream_seq))
            metrics.DEAD_LETTERS.labels(outcome.dead_letter.reason).inc()
        try:
            stored = await self._outbox.store(name, outcome.result)
        except MessageTooLargeError:
            outcome = outcomes.too_large(job, name, outcome.result, len(encode(outcome.result)))
            log.warning("the answer is larger than the bus accepts", size_bytes=len(encode(outcome.result)))
            stored = await self._outbox.store(name, outcome.result)
        self._count(job, stored)
        return Outcome(stored, outcome.dead_letter)

    async def _end_nameless(self, job: Job, detail: str) -> None:
        """A subject that names no job: there is no key for a result, so the dead letter is all."""
        if self._bad_letters.admits(job.subject.split(".")[2]):
            letter = outcomes.letter_of(job, "bad-name", detail, self._outward)
            await self._outbox.dead_letter(letter, str(uuid7()), str(job.stream_seq))
            metrics.DEAD_LETTERS.labels("bad-name").inc()
        await job.terminate()

    async def _count_as_start(self, job: Job, name: JobName, error: Exception) -> None:
        """Count an unexpected error before the start as a start, so that a job that always meets one ends too.

        Raises the error while there are attempts left.
        """
        attempts = (await self._blame(job, name)).alone
        if job.is_started or attempts < self._settings.max_attempts:
            raise error
        log.error("job ended after unexpected errors", attempts=attempts, exc_info=error)
        detail = "The worker failed unexpectedly on this job; its log says how."
        outcome = outcomes.dead_lettered(job, name, "engine-error", detail, self._outward, attempts)
        await self._leave(job, name, await self._store(job, name, outcome))

    async def _blame(self, job: Job, name: JobName) -> StartRecord:
        """Count an attempt that failed by the job's own fault, whatever ran beside it."""
        is_counted = job.is_started and job.is_counted
        return await (self._starts.blame(name) if is_counted else self._starts.add(name))

    async def _count_from(self, job: Job) -> None:
        """A job that a restore brought back is as old as the restore."""
        if self._bus.clock.age_s(job.accepted_s) > _MAY_BE_RESTORED_AFTER_S and (
            mark := await restore_mark.read(self._bus)
        ):
            job.accepted_s = mark.counts_from_s(job.accepted_s, job.stream_seq)

    async def _stored(self, name: JobName) -> Result | None:
        entry = await self._bus.results.get(name.key)
        return decode_result(entry.value) if entry else None

    def _count(self, job: Job, stored: Result) -> None:
        if job.is_started:
            self.throughput.job_done()
        age_s = self._bus.clock.age_s(job.accepted_s)
        if isinstance(stored, Answer):
            metrics.count_answer(stored, age_s)
        else:
            metrics.count_failure(stored.code, job.query, age_s)

    def _count_ended_outside(self, job: Job, stored: Result) -> None:
        """The ingress ended the job while it waited: its deadline passed, or it was cancelled."""
        if isinstance(stored, Failure):
            with contextlib.suppress(BadMessageError, NewerVersionError):
                job.query = decode_query(job.body)
            metrics.count_failure(stored.code, job.query, self._bus.clock.age_s(job.accepted_s))

    def _deadline_s(self, query: Query) -> float:
        return min(query.deadline_s or self._settings.job_deadline_s, self._settings.job_deadline_s)

    def _left_s(self, job: Job, query: Query) -> float:
        """Seconds until the job's deadline, counted from the stream's acceptance; 0 when it has passed."""
        return max(job.accepted_s + self._deadline_s(query) - self._bus.clock.now_s(), 0)


def _owner(name: JobName) -> str:
    return f"{name.publisher}.{name.client}"


def _is_being_cancelled() -> bool:
    """True when this very task is asked to end, and not only the generation that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
