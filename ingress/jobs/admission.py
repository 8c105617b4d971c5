"""Publishes a question as a job, or refuses it with a reason. Only the stream decides that the queue is full."""

import contextlib
import time
from collections.abc import Iterator
from typing import Final

import msgspec
import structlog
from uuid_utils import uuid7

from contract import topology
from contract.bus import Bus, QueueState
from contract.errors import (
    AlreadyAcceptedError,
    BusError,
    BusUnavailableError,
    MessageTooLargeError,
    NotProvisionedError,
    OutcomeUnknownError,
    QueueFullError,
    TooManySecretsError,
)
from contract.messages import TEMPORARY_FAILURES, Failure, Query, Question, Result, body_hash, encode, query_of
from contract.redaction.redactor import Redactor
from contract.runtime.metrics import count_redactions
from contract.runtime.tracing import NO_TRACER, Tracer
from contract.sanitize import sanitize_apart
from contract.topology import JobName, derived_id
from ingress import problems
from ingress.jobs.promises import LONGEST_S, Promises
from ingress.jobs.quota import Quota, ShareUsedUpError
from ingress.jobs.status import stored
from ingress.jobs.workers import Fleet
from ingress.middleware import metrics
from ingress.middleware.audit import UNKEPT, Record

_TRIES: Final = 2
"""A duplicate may be purged by an operator between publish and lookup; retry once."""

log = structlog.get_logger(__name__)


class Asked(msgspec.Struct, frozen=True):
    """A question to publish: its job's name, its client's share of the queue, and the audit record."""

    job: JobName
    query: Query
    share: float = 1.0
    is_keyed: bool = False
    trace: str | None = None
    record: Record = UNKEPT


class Admitted(msgspec.Struct, frozen=True):
    """A job that the stream accepted, now or earlier; `stored_result` is set when it has ended already.

    `seq`: its sequence on the stream, where it is known.
    """

    sha256: str
    stored_result: Result | None = None
    seq: int | None = None


class Admission:
    """Takes a question from a client to the stream."""

    def __init__(
        self,
        bus: Bus,
        fleet: Fleet,
        quota: Quota,
        max_body_bytes: int,
        redactor: Redactor,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._bus = bus
        self._redactor = redactor
        self._tracer = tracer
        self._fleet = fleet
        self._quota = quota
        self._max_body_bytes = max_body_bytes
        self._queue: QueueState | None = None
        self._promises = Promises()

    async def job_for(self, client: str, key: str | None = None) -> JobName:
        """A new job's name; with a key, the same for the same client and key. Raises Problem.

        A temporary failure is no result of its key: the next request with the key is another job.
        """
        if key is None:
            return JobName(topology.HTTP_PUBLISHER, client, str(uuid7()))
        with _problems_instead(problems.bus_unavailable()):
            return _keyed_job(client, key, await self._temporary_failures(client, key))

    async def _temporary_failures(self, client: str, key: str) -> int:
        """How many of the key's jobs, which are numbered from 0, have failed temporarily; raises BusError."""
        failed, number = 0, 0
        while await self._has_failed_temporarily(_keyed_job(client, key, number)):
            failed, number = number + 1, 2 * number + 1
        while failed < number:
            middle = (failed + number) // 2
            if await self._has_failed_temporarily(_keyed_job(client, key, middle)):
                failed = middle + 1
            else:
                number = middle
        return failed

    async def _has_failed_temporarily(self, job: JobName) -> bool:
        result = await stored(self._bus, job)
        return isinstance(result, Failure) and result.code in TEMPORARY_FAILURES

    async def prepare(self, question: Question, record: Record) -> Query:
        """The sanitized question; raises Problem when it fits no live worker's model, or holds too many secrets."""
        try:
            query, counts = await sanitize_apart(query_of(question), self._redactor)
        except TooManySecretsError as error:
            raise problems.too_many_secrets(str(error)) from None
        record.redacted(counts)
        if counts:
            count_redactions(counts)
            log.info("redacted", **{kind.replace("-", "_"): count for kind, count in counts.items()})
        size = query.text_bytes
        limit = self._fleet.max_prompt_bytes()
        if limit is not None and size > limit:
            raise problems.prompt_too_large(size, limit)
        return query

    async def submit(self, asked: Asked) -> Admitted:
        """Store the job. Raises Problem when it was refused, or when the bus did not say whether it was stored.

        A keyed job is stored once: a retry finds its result or the job itself. Raises Problem for a reused key.
        """
        job, body = asked.job, encode(asked.query)
        sha256 = body_hash(body)
        if asked.is_keyed:
            with _problems_instead(problems.bus_unavailable()):
                stored_result = await self._stored_result(job, sha256)
            if stored_result:
                return Admitted(sha256, stored_result)
        for _ in range(_TRIES):
            if admitted := await self._admit(asked, body, sha256):
                return admitted
        raise problems.outcome_unknown(job.job_id, location_of(job.job_id))

    async def _admit(self, asked: Asked, body: bytes, sha256: str) -> Admitted | None:
        """One try; None when the stream refused a duplicate that has gone by now, without a result. Raises Problem."""
        job = asked.job
        try:
            with self._tracer.span("publish", asked.trace, "producer", docqa_job=job.key) as trace:
                seq = await self._publish(asked, body, _headers(sha256, trace))
        except AlreadyAcceptedError:
            with _problems_instead(problems.outcome_unknown(job.job_id, location_of(job.job_id))):
                return await self._accepted_before(job, sha256)
        except QueueFullError:
            raise await self._refusal(_promise_key(asked, sha256)) from None
        except MessageTooLargeError:
            # A redaction marker may be longer than the secret that it replaces.
            raise problems.body_too_large(len(body), self._max_body_bytes) from None
        except (BusUnavailableError, NotProvisionedError):
            raise problems.bus_unavailable() from None
        except OutcomeUnknownError:
            raise problems.outcome_unknown(job.job_id, location_of(job.job_id)) from None
        asked.record.accepted()
        self._promises.keep(_promise_key(asked, sha256))
        return Admitted(sha256, seq=seq)

    async def _publish(self, asked: Asked, body: bytes, headers: dict[str, str]) -> int | None:
        job = asked.job
        if asked.share >= 1:
            return await self._bus.publish_job(job, body, headers)
        await self._take_slot(job, asked.share)
        try:
            return await self._bus.publish_job(job, body, headers)
        except (QueueFullError, MessageTooLargeError, BusUnavailableError, NotProvisionedError):
            self._quota.free(job.client, job.job_id)
            raise
        finally:
            self._quota.settle(job)

    async def _take_slot(self, job: JobName, share: float) -> None:
        try:
            await self._quota.take(job, share)
        except ShareUsedUpError as error:
            # One of its own jobs ends, on average, when as many have ended as there are for each of its own.
            retry_after_s = self._told_s(job.client, error.slots / max(error.capacity, 1))
            raise problems.share_used_up(error.slots, error.capacity, retry_after_s) from None
        except BusError:
            # Nothing was sent yet, so the outcome is known: not accepted.
            raise problems.bus_unavailable() from None

    def outside_s(self) -> list[float]:
        """In how many seconds the clients that were refused are told to be back, soonest first."""
        return self._promises.outstanding_s(time.monotonic())

    async def queue_state(self) -> QueueState:
        """The queue's state now; raises BusError."""
        self._queue = await self._bus.queue_state()
        metrics.show_queue(self._queue, sum(worker.busy for worker in self._fleet.live()), self._bus.clock.now_s())
        return self._queue

    async def _accepted_before(self, job: JobName, sha256: str) -> Admitted | None:
        """An earlier try's job, waiting or ended; None when there is neither. Raises BusError, and Problem."""
        message = await self._bus.find_job(job)
        if message is None:
            result = await self._stored_result(job, sha256)
            return Admitted(sha256, result) if result else None
        if message.body_sha256 != sha256:
            raise problems.key_reused()
        return Admitted(sha256, seq=message.seq)

    async def _stored_result(self, job: JobName, sha256: str) -> Result | None:
        """The job's result; raises BusError, and Problem when it answers another body."""
        result = await stored(self._bus, job)
        if result and result.body_sha256 not in (sha256, msgspec.UNSET):
            raise problems.key_reused()
        return result

    def _told_s(self, key: str, share: float = 1.0) -> int:
        """When to come back; a client of which only a `share` of the places counts waits for its own."""
        pace = self._fleet.pace * share
        return self._promises.promise(key, pace, time.monotonic()) if pace else LONGEST_S

    async def _refusal(self, key: str) -> problems.Problem:
        queue = self._queue
        if queue is None:
            try:
                queue = await self.queue_state()
            except BusError:
                return problems.bus_unavailable()
        return problems.queue_full(queue.capacity, self._told_s(key), bool(self._fleet.live()))


@contextlib.contextmanager
def _problems_instead(problem: problems.Problem) -> Iterator[None]:
    """Raise `problem` for any BusError. Before anything was sent, that is no unknown outcome."""
    try:
        yield
    except BusError:
        raise problem from None


def _keyed_job(client: str, key: str, number: int) -> JobName:
    """The key's first job, or a later one."""
    later = (str(number),) if number else ()
    return JobName(topology.HTTP_PUBLISHER, client, derived_id(client, key, *later))


def location_of(job_id: str) -> str:
    return f"/api/jobs/{job_id}"


def _headers(sha256: str, trace: str) -> dict[str, str]:
    return {
        topology.BODY_HASH_HEADER: sha256,
        "Content-Type": "application/json",
        topology.TRACE_HEADER: trace,
    }


def _promise_key(asked: Asked, sha256: str) -> str:
    """What makes a refused question the same one again: its client and key, or its client and body."""
    return f"{asked.job.client} {asked.job.job_id if asked.is_keyed else sha256}"
