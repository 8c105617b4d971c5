"""Puts a question on the bus, or says why not. Only the stream decides that the queue is full."""

from typing import Any

import structlog
from uuid_utils import uuid7

from contract import topology
from contract.bus import Bus, QueueState
from contract.errors import (
    BusError,
    BusUnavailableError,
    MessageTooLargeError,
    NotProvisionedError,
    OutcomeUnknownError,
    QueueFullError,
)
from contract.messages import Query, Question, body_hash, encode
from contract.sanitize import sanitize_question
from contract.topology import JobName
from ingress import metrics, problems
from ingress.fleet import Fleet

log = structlog.get_logger(__name__)


class Admission:
    """The way of a question from a client to the stream."""

    def __init__(self, bus: Bus, fleet: Fleet, max_body_bytes: int) -> None:
        self._bus = bus
        self._fleet = fleet
        self._max_body_bytes = max_body_bytes
        self._queue: QueueState | None = None

    def new_job(self, client: str) -> JobName:
        return JobName(topology.HTTP_PUBLISHER, client, str(uuid7()))

    def prepare(self, question: Question) -> Query:
        """The question as it may travel; raises Problem when it can't fit any model there is."""
        query, counts = sanitize_question(Query(**as_fields(question)))
        if counts:
            log.info("redacted", **{kind.replace("-", "_"): count for kind, count in counts.items()})
        size = len(query.query.encode()) + len(query.context.encode())
        limit = self._fleet.max_prompt_bytes()
        if limit is not None and size > limit:
            raise problems.prompt_too_large(size, limit)
        return query

    async def submit(self, job: JobName, query: Query, trace: str | None) -> str:
        """Store the job; returns its body's hash. Raises Problem when it was refused or its fate is unknown."""
        body = encode(query)
        sha256 = body_hash(body)
        headers = {topology.BODY_HASH_HEADER: sha256, "Content-Type": "application/json"}
        if trace:
            headers[topology.TRACE_HEADER] = trace
        try:
            await self._bus.publish_job(job, body, headers)
        except QueueFullError:
            raise await self._refusal() from None
        except MessageTooLargeError:
            # A marker may be longer than the secret that it stands for.
            raise problems.body_too_large(len(body), self._max_body_bytes) from None
        except (BusUnavailableError, NotProvisionedError):
            raise problems.bus_unavailable() from None
        except OutcomeUnknownError:
            raise problems.outcome_unknown(job.job_id, location_of(job.job_id)) from None
        return sha256

    async def queue_state(self) -> QueueState:
        """How the queue stands now; raises BusError."""
        self._queue = await self._bus.queue_state()
        metrics.QUEUE_LENGTH.set(self._queue.depth)
        metrics.QUEUE_CAPACITY.set(self._queue.capacity)
        return self._queue

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


def as_fields(question: Question) -> dict[str, Any]:
    return {name: getattr(question, name) for name in question.__struct_fields__}


def location_of(job_id: str) -> str:
    return f"/api/jobs/{job_id}"
