"""Serves one job from its delivery to its ack. What must happen in order happens here, in that order."""

import asyncio
import contextlib
import time
from typing import Any

import msgspec
import structlog
from msgspec import UNSET
from uuid_utils import uuid7

from contract.bus import Bus, restore_mark
from contract.errors import (
    BadMessageError,
    BadNameError,
    BudgetExhaustedError,
    BusError,
    EngineError,
    NewerVersionError,
    PromptTooLongError,
    TooManySecretsError,
)
from contract.messages import (
    Answer,
    DeadLetter,
    Failure,
    FailureCode,
    Query,
    Result,
    Timings,
    TokenEvent,
    body_hash,
    decode_query,
    decode_result,
)
from contract.redaction.redactor import Redactor
from contract.runtime import logs
from contract.runtime.metrics import count_redactions
from contract.runtime.tracing import NO_TRACER, Tracer, traceparent_of
from contract.sanitize import sanitize, sanitize_apart
from contract.topology import JobName
from inference_worker.engines.base import Completion, Engine, cost_tokens
from inference_worker.jobs.attempts import Starts
from inference_worker.jobs.consumer import Consumer
from inference_worker.jobs.fair_queue import Claim
from inference_worker.jobs.job import Job
from inference_worker.jobs.outbox import Replier
from inference_worker.jobs.slots import Batch
from inference_worker.jobs.throughput import Throughput
from inference_worker.monitoring import metrics
from inference_worker.settings import WorkerSettings

NEWER_VERSION_DELAY_S = 5.0
RETRY_DELAY_S = 1.0
_MAY_BE_RESTORED_AFTER_S = 1.0
"""No restore is over so soon: of younger jobs nobody asks."""

log = structlog.get_logger(__name__)


class Worker:
    """Takes jobs off the durable and ends each with exactly one result."""

    def __init__(self, bus: Bus, engine: Engine, settings: WorkerSettings, tracer: Tracer = NO_TRACER) -> None:
        self._bus = bus
        self._engine = engine
        self._settings = settings
        self._redactor = settings.redactor()
        self._tracer = tracer
        self._batch = Batch(engine.slots)
        self._starts = Starts(bus.starts)
        self.throughput = Throughput()
        self.consumer = Consumer(bus, self.serve, 2 * engine.slots, settings.ack_wait_s)
        self._replier = Replier(bus, self.consumer.pause, self.consumer.resume)
        metrics.SLOTS.set(engine.slots)

    @property
    def busy(self) -> int:
        return self._batch.running

    @property
    def held(self) -> int:
        return self.consumer.held

    @property
    def started(self) -> list[str]:
        """The subjects of the jobs that were started, for the log."""
        return self.consumer.started

    async def serve(self, job: Job) -> None:
        """End the job; one that has no name is buried."""
        try:
            name = JobName.from_subject(job.subject)
        except BadNameError as error:
            return await self._bury_nameless(job, str(error))
        with self._tracer.span("job", traceparent_of(job.headers), "consumer", docqa_job=name.key) as job.trace:
            logs.about_job(name, job.trace)
            await self._serve(job, name)

    async def _serve(self, job: Job, name: JobName) -> None:
        """Answer, store the result, reply with what the bucket holds, ack."""
        starts, stands, _ = await asyncio.gather(self._starts.of(name), self._stored(name), self._count_from(job))
        if stands is None:
            try:
                stands = await self._end(job, name, starts)
            except NewerVersionError:
                return await job.give_back(NEWER_VERSION_DELAY_S)
            except EngineError:
                return await job.give_back(RETRY_DELAY_S)
        elif not job.is_redelivered:
            _count_ended_outside(job, stands)
        with self._tracer.span("reply", job.trace):
            await self._replier.reply(name, stands)
            await self._leave_stream(job, stands)
        log.info("job ended", outcome=_outcome(stands), age_s=round(time.time() - job.accepted_s, 3))
        await self._forget(name)

    async def _end(self, job: Job, name: JobName, starts: int) -> Result:
        """Bring the job to its stored result. Raises NewerVersionError or EngineError for another try."""
        try:
            job.query, redacted = await sanitize_apart(decode_query(job.body), self._redactor)
            count_redactions(redacted)
            query = job.query
        except BadMessageError as error:
            return await self._bury(job, name, "bad-message", str(error), starts)
        except TooManySecretsError as error:
            # No dead letter: that would be a store of secrets.
            return await self._store(job, name, _failure(job, name, "too-many-secrets", str(error), attempts=starts))
        if starts >= self._settings.max_attempts:
            detail = f"The job was started {starts} times and no attempt came to its end."
            return await self._bury(job, name, "attempts-exhausted", detail, starts, query)
        try:
            claim = self._claim(name, query, starts)
            has_waited = await asyncio.wait_for(self._batch.enter(claim), self._left_s(job, query))
        except TimeoutError:
            return await self._store(job, name, self._too_late(job, name, query))
        try:
            stands = await self._stored(name) if has_waited else None
            return stands or await self._attempt(job, name, query)
        finally:
            self._batch.leave()

    def _claim(self, name: JobName, query: Query, starts: int) -> Claim:
        owner = _owner(name)
        return Claim(
            owner=owner,
            cost_tokens=cost_tokens(query, self._engine.context_tokens),
            is_warm=self._engine.watch(query, owner),
            alone=starts > 0,
        )

    async def _attempt(self, job: Job, name: JobName, query: Query) -> Result:
        """One counted start, and the result that stands after it."""
        if job.is_cancelled:
            return await self._store(job, name, _failure(job, name, "cancelled", "The job was cancelled."))
        job.is_started = True
        attempt = await self._starts.add(name)
        metrics.STARTED.inc()
        started_s = time.time()
        metrics.QUEUE_WAIT.observe(max(started_s - job.accepted_s, 0))
        self._tracer.record("wait in the queue", job.trace, job.accepted_s, started_s)
        try:
            result = await self._generate(job, name, query, attempt)
            if isinstance(result, Failure) and result.dead_letter:
                when = {"resets_at": result.resets_at}
                return await self._bury(job, name, result.code, result.detail, attempt, query, **when)
            return await self._store(job, name, result)
        except asyncio.CancelledError:
            # The drain's limit: the job ends here by no fault of its own.
            with contextlib.suppress(BusError):
                await self._starts.take_back(name)
            raise

    async def _store(self, job: Job, name: JobName, result: Result) -> Result:
        """Store and count how the job ended; the result that stands."""
        stands = await self._replier.store(name, result)
        self._count(job, stands)
        return stands

    async def _generate(self, job: Job, name: JobName, query: Query, attempt: int) -> Result:
        """Run the engine within the deadline; raises EngineError while there are attempts left."""
        started_s = time.time()
        left_s = self._left_s(job, query)
        within = msgspec.structs.replace(query, deadline_s=left_s)
        generation = asyncio.ensure_future(self._consume(job, name, within, attempt))
        job.begin(generation)
        try:
            completion = await asyncio.wait_for(generation, left_s)
        except TimeoutError:
            return self._too_late(job, name, query)
        except PromptTooLongError as error:
            return _failure(
                job,
                name,
                "prompt-too-long",
                str(error),
                prompt_tokens=error.prompt_tokens,
                limit_tokens=error.limit_tokens,
                cut_chars=error.cut_chars,
            )
        except EngineError as error:
            log.warning("attempt failed", attempt=attempt, reason=str(error))
            if error.is_passing and attempt < self._settings.max_attempts:
                raise
            return _broken_down(job, name, error, attempt)
        except asyncio.CancelledError:
            if not job.is_cancelled or _is_being_cancelled():
                raise
            return _failure(job, name, "cancelled", "The job was cancelled.", attempts=attempt)
        metrics.count_work(completion, max(time.time() - started_s, 0))
        self._trace(job, completion, started_s)
        return self._answer(job, name, completion, started_s)

    def _trace(self, job: Job, completion: Completion, started_s: float) -> None:
        read_s = started_s + completion.prefill_ms / 1000
        made_s = read_s + completion.decode_ms / 1000
        self._tracer.record("prefill", job.trace, started_s, read_s)
        self._tracer.record("decode", job.trace, read_s, made_s)

    async def _consume(self, job: Job, name: JobName, query: Query, attempt: int) -> Completion:
        """Pass pieces on as they come; the completion."""
        index = 0
        async with contextlib.aclosing(self._engine.generate(query, _owner(name))) as events:
            async for event in events:
                if isinstance(event, Completion):
                    return event
                if not index:
                    metrics.FIRST_TOKEN.observe(max(time.time() - job.accepted_s, 0))
                await self._replier.stream(name, TokenEvent(attempt, index, event.text))
                index += 1
        raise EngineError("The engine ended without a completion.")

    def _answer(self, job: Job, name: JobName, completion: Completion, started_s: float) -> Answer:
        return Answer(
            id=name.job_id,
            answer=completion.text,
            finish_reason=completion.finish_reason,
            model=completion.model or self._engine.model_name,
            backend=completion.backend,
            usage=completion.usage,
            timings=Timings(
                queued_ms=_ms(started_s - job.accepted_s),
                prefill_ms=round(completion.prefill_ms, 1),
                decode_ms=round(completion.decode_ms, 1),
                total_ms=_ms(time.time() - job.accepted_s),
            ),
            body_sha256=body_hash(job.body),
            cache_key=completion.cache_key or msgspec.UNSET,
        )

    async def _bury(
        self,
        job: Job,
        name: JobName,
        code: FailureCode,
        detail: str,
        attempts: int,
        query: Query | None = None,
        **members: Any,
    ) -> Result:
        """First the dead letter, then the failure: a crash in between loses neither."""
        await self._replier.bury(
            _letter(job, code, detail, attempts, self._redactor, query), name.job_id, str(job.stream_seq)
        )
        metrics.DEAD_LETTERS.labels(code).inc()
        failure = _failure(job, name, code, detail, attempts=attempts, dead_letter=True, **members)
        return await self._store(job, name, failure)

    async def _bury_nameless(self, job: Job, detail: str) -> None:
        """A subject that names no job: there is no key for a result, so the dead letter is all."""
        await self._replier.bury(_letter(job, "bad-name", detail, 0, self._redactor), str(uuid7()), str(job.stream_seq))
        metrics.DEAD_LETTERS.labels("bad-name").inc()
        await job.terminate()

    async def _leave_stream(self, job: Job, stands: Result) -> None:
        if isinstance(stands, Failure) and stands.dead_letter:
            await job.terminate()
        else:
            await job.ack()

    async def _forget(self, name: JobName) -> None:
        try:
            await self._starts.forget(name)
        except BusError as error:
            # Its time to live ends it too.
            log.warning("count of starts is left behind", reason=str(error))

    async def _count_from(self, job: Job) -> None:
        """A job that a restore brought back is as old as the restore."""
        if time.time() - job.accepted_s > _MAY_BE_RESTORED_AFTER_S and (mark := await restore_mark.read(self._bus)):
            job.accepted_s = mark.counts_from_s(job.accepted_s, job.stream_seq)

    async def _stored(self, name: JobName) -> Result | None:
        entry = await self._bus.results.get(name.key)
        return decode_result(entry.value) if entry else None

    def _count(self, job: Job, stands: Result) -> None:
        self.throughput.job_done()
        age_s = time.time() - job.accepted_s
        if isinstance(stands, Answer):
            metrics.count_answer(stands, age_s)
        else:
            metrics.count_failure(stands.code, job.query, age_s)

    def _deadline_s(self, query: Query) -> float:
        return min(query.deadline_s or self._settings.job_deadline_s, self._settings.job_deadline_s)

    def _left_s(self, job: Job, query: Query) -> float:
        """Seconds until the job's deadline, counted from the stream's acceptance; 0 when it has passed."""
        return max(job.accepted_s + self._deadline_s(query) - time.time(), 0)

    def _too_late(self, job: Job, name: JobName, query: Query) -> Failure:
        detail = (
            f"No answer was made within {self._deadline_s(query):g} s: "
            "ask again with a later `deadline_s`, or a shorter context."
        )
        return _failure(job, name, "deadline-exceeded", detail)


def _outcome(result: Result) -> str:
    return result.backend if isinstance(result, Answer) else result.code


def _count_ended_outside(job: Job, stands: Result) -> None:
    """The ingress ended the job while it waited: its deadline passed, or it was cancelled."""
    if isinstance(stands, Failure):
        with contextlib.suppress(BadMessageError, NewerVersionError):
            job.query = decode_query(job.body)
        metrics.count_failure(stands.code, job.query, time.time() - job.accepted_s)


def _owner(name: JobName) -> str:
    return f"{name.publisher}.{name.client}"


def _failure(job: Job, name: JobName, code: FailureCode, detail: str, **members: Any) -> Failure:
    return Failure(id=name.job_id, code=code, detail=detail, body_sha256=body_hash(job.body), **members)


def _broken_down(job: Job, name: JobName, error: EngineError, attempts: int) -> Failure:
    """A failure of the engine after which no other attempt is made."""
    resets_at = error.resets_at if isinstance(error, BudgetExhaustedError) else None
    return _failure(
        job,
        name,
        error.code,
        str(error),
        attempts=attempts,
        dead_letter=error.is_replayable,
        resets_at=resets_at or UNSET,
    )


def _letter(
    job: Job, code: FailureCode, detail: str, attempts: int, redactor: Redactor, query: Query | None = None
) -> DeadLetter:
    """What is kept of a job: sanitized; of a body that can't be read only its size and hash."""

    def clean(text: str) -> str:
        try:
            return sanitize(text, redactor).text
        except TooManySecretsError:
            return "[REDACTED:too-many-secrets]"

    return DeadLetter(
        subject=clean(job.subject),
        reason=code,
        detail=clean(detail),
        attempts=attempts,
        headers={clean(key): clean(value) for key, value in job.headers.items()},
        size_bytes=len(job.body),
        sha256=body_hash(job.body),
        query=query,
    )


def _is_being_cancelled() -> bool:
    """True when this very task is asked to end, and not only the generation that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _ms(seconds: float) -> float:
    return round(max(seconds, 0) * 1000, 1)
