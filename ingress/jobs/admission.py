"""Puts a question on the bus, or says why not. Only the stream decides that the queue is full."""

from typing import Any, Final

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
from contract.messages import Query, Question, Result, body_hash, encode
from contract.redaction.redactor import Redactor
from contract.runtime.metrics import count_redactions
from contract.runtime.tracing import NO_TRACER, Tracer
from contract.sanitize import sanitize_apart
from contract.topology import JobName, derived_id
from ingress import problems
from ingress.jobs.quota import Places, ShareUsedUpError
from ingress.jobs.status import stored
from ingress.jobs.workers import Fleet
from ingress.middleware import metrics
from ingress.middleware.audit import UNKEPT, Record

_TRIES: Final = 2
"""A job that was already there may leave without a trace (an operator's hand) between two looks, hardly twice."""

log = structlog.get_logger(__name__)


class Asked(msgspec.Struct, frozen=True):
    """A question that may be published: its name, what it may take, and the record of its request."""

    job: JobName
    query: Query
    share: float = 1.0
    is_keyed: bool = False
    trace: str | None = None
    record: Record = UNKEPT


class Admitted(msgspec.Struct, frozen=True):
    """A job that the stream took, or had, or that ended before: then `stands` is its result."""

    sha256: str
    stands: Result | None = None


class Admission:
    """The way of a question from a client to the stream."""

    def __init__(
        self,
        bus: Bus,
        fleet: Fleet,
        places: Places,
        max_body_bytes: int,
        redactor: Redactor,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._bus = bus
        self._redactor = redactor
        self._tracer = tracer
        self._fleet = fleet
        self._places = places
        self._max_body_bytes = max_body_bytes
        self._queue: QueueState | None = None

    def new_job(self, client: str, key: str | None = None) -> JobName:
        """A new job's name; with a key, the same for the same client and key."""
        job_id = str(uuid7()) if key is None else derived_id(client, key)
        return JobName(topology.HTTP_PUBLISHER, client, job_id)

    async def prepare(self, question: Question, record: Record) -> Query:
        """The question as it may travel; raises Problem when it can't fit any model there is, or is full of secrets."""
        try:
            query, counts = await sanitize_apart(Query(**_as_fields(question)), self._redactor)
        except TooManySecretsError as error:
            raise problems.too_many_secrets(str(error)) from None
        record.redacted(counts)
        if counts:
            count_redactions(counts)
            log.info("redacted", **{kind.replace("-", "_"): count for kind, count in counts.items()})
        size = len(query.query.encode()) + len(query.context.encode())
        limit = self._fleet.max_prompt_bytes()
        if limit is not None and size > limit:
            raise problems.prompt_too_large(size, limit)
        return query

    async def submit(self, asked: Asked) -> Admitted:
        """Store the job. Raises Problem when it was refused or its fate is unknown.

        A keyed job is stored once: a retry finds its result or the job itself. Raises Problem for a reused key.
        """
        job, body = asked.job, encode(asked.query)
        sha256 = body_hash(body)
        if asked.is_keyed and (stands := await self._ended_before(job, sha256)):
            return Admitted(sha256, stands)
        for _ in range(_TRIES):
            if admitted := await self._admit(asked, body, sha256):
                return admitted
        raise problems.outcome_unknown(job.job_id, location_of(job.job_id))

    async def _admit(self, asked: Asked, body: bytes, sha256: str) -> Admitted | None:
        """One try. None: the job was there already, and a look later neither it nor its result. Raises Problem."""
        job = asked.job
        try:
            with self._tracer.span("publish", asked.trace, "producer", docqa_job=job.key) as trace:
                await self._publish(asked, body, _headers(sha256, trace))
        except AlreadyAcceptedError:
            return await self._told(job, sha256)
        except QueueFullError:
            raise await self._refusal() from None
        except MessageTooLargeError:
            # A marker may be longer than the secret that it stands for.
            raise problems.body_too_large(len(body), self._max_body_bytes) from None
        except (BusUnavailableError, NotProvisionedError):
            raise problems.bus_unavailable() from None
        except OutcomeUnknownError:
            raise problems.outcome_unknown(job.job_id, location_of(job.job_id)) from None
        asked.record.accepted()
        return Admitted(sha256)

    async def _publish(self, asked: Asked, body: bytes, headers: dict[str, str]) -> None:
        job = asked.job
        if asked.share >= 1:
            return await self._bus.publish_job(job, body, headers)
        await self._take_place(job, asked.share)
        try:
            await self._bus.publish_job(job, body, headers)
        except (QueueFullError, MessageTooLargeError, BusUnavailableError, NotProvisionedError):
            self._places.free(job.client, job.job_id)
            raise
        finally:
            self._places.settle(job)

    async def _take_place(self, job: JobName, share: float) -> None:
        try:
            await self._places.take(job, share)
        except ShareUsedUpError as error:
            retry_after_s = self._fleet.retry_after_s(error.places)
            raise problems.share_used_up(error.places, error.capacity, retry_after_s) from None
        except BusError:
            # Nothing was sent: that the places can't be counted is no unknown outcome.
            raise problems.bus_unavailable() from None

    async def queue_state(self) -> QueueState:
        """How the queue stands now; raises BusError."""
        self._queue = await self._bus.queue_state()
        metrics.show_queue(self._queue, sum(worker.busy for worker in self._fleet.live()))
        return self._queue

    async def _ended_before(self, job: JobName, sha256: str) -> Result | None:
        """An earlier try's result; raises Problem."""
        try:
            return await self._standing(job, sha256)
        except BusError:
            # Nothing was sent by this try: that its result can't be read is no unknown outcome.
            raise problems.bus_unavailable() from None

    async def _told(self, job: JobName, sha256: str) -> Admitted | None:
        """What an accepted job has come to, if anything is left of it; raises Problem."""
        try:
            return await self._found(job, sha256)
        except BusError:
            raise problems.outcome_unknown(job.job_id, location_of(job.job_id)) from None

    async def _found(self, job: JobName, sha256: str) -> Admitted | None:
        """An earlier try's job, on the stream or ended by now; None when there is neither."""
        message = await self._bus.find_job(job)
        if message is None:
            stands = await self._standing(job, sha256)
            return Admitted(sha256, stands) if stands else None
        if message.body_sha256 != sha256:
            raise problems.key_reused()
        return Admitted(sha256)

    async def _standing(self, job: JobName, sha256: str) -> Result | None:
        result = await stored(self._bus, job)
        if result and result.body_sha256 not in (sha256, msgspec.UNSET):
            raise problems.key_reused()
        return result

    async def _refusal(self) -> problems.Problem:
        queue = self._queue
        if queue is None:
            try:
                queue = await self.queue_state()
            except BusError:
                return problems.bus_unavailable()
        # The stream has just said that it is full: its bound is the depth, or more where it was lowered.
        depth = max(queue.capacity, queue.depth)
        return problems.queue_full(queue.capacity, self._fleet.retry_after_s(depth), bool(self._fleet.live()))


def location_of(job_id: str) -> str:
    return f"/api/jobs/{job_id}"


def _as_fields(question: Question) -> dict[str, Any]:
    return {name: getattr(question, name) for name in question.__struct_fields__}


def _headers(sha256: str, trace: str) -> dict[str, str]:
    return {
        topology.BODY_HASH_HEADER: sha256,
        "Content-Type": "application/json",
        topology.TRACE_HEADER: trace,
    }
