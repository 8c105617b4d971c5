"""Takes jobs that have ended off the stream without waiting for their delivery: their places are free at once.

A job can end while it waits: its client cancels it, hangs up or finds it too late, and an ingress stores the result.
Only workers may delete from the stream. A cancel names the job to them, and each second they look for what was lost.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import structlog

from contract import topology
from contract.bus import Bus, restore_mark
from contract.bus.client import QueueState, Stored
from contract.errors import BadMessageError, BadNameError, BusError, NewerVersionError, UnreadableResultError
from contract.messages import Failure, Query, Result, decode_query, decode_result, encode
from contract.topology import JobName
from inference_worker.jobs.job import Job
from inference_worker.monitoring import metrics

SWEEPS_EVERY_S: Final = 1.0
_MOST_READ: Final = 200
"""Messages that one sweep reads for the first time."""
_MOST_BYTES: Final = 4 * 2**20
_LARGE_BYTES: Final = 32 * 1024
_MOST_LOOKED_UP: Final = 100
"""Waiting jobs whose results one sweep looks up, in turns."""

log = structlog.get_logger(__name__)


class _Waiting(msgspec.Struct, frozen=True):
    """A job that was on the stream and not delivered when it was read."""

    seq: int
    name: JobName
    query: Query
    stored_s: float
    deadline_s: float


class Sweeper:
    """Knows the waiting jobs that this worker does not hold. `held`: those that it holds."""

    def __init__(self, bus: Bus, held: Callable[[], Iterable[Job]], longest_s: float) -> None:
        """`longest_s`: the longest deadline that a job may have."""
        self._bus = bus
        self._held = held
        self._longest_s = longest_s
        self._waiting: dict[int, _Waiting] = {}
        self._next_seq = 1

    async def run(self) -> None:
        """Sweep every SWEEPS_EVERY_S; does not return."""
        while True:
            await asyncio.sleep(SWEEPS_EVERY_S)
            with contextlib.suppress(BusError):
                await self.sweep()

    async def sweep(self) -> None:
        """Remove waiting jobs that have a result or passed their deadline; raises BusError."""
        await asyncio.gather(*(self._end_held(job) for job in list(self._held())))
        state = await self._bus.queue_state()
        for seq in [seq for seq in self._waiting if seq <= state.delivered_seq]:
            del self._waiting[seq]
        if state.pending:
            await self._read_new(state)
        for job in await self._expired():
            detail = f"No answer was made within {job.deadline_s:g} s: ask again with a later `deadline_s`."
            await self._end(job, "deadline-exceeded", detail)
        await asyncio.gather(*(self._remove_if_ended(job) for job in self._in_turn()))

    async def on_cancel(self, subject: str) -> None:
        """End a job that waits, if the job with this subject does; one that another worker holds is left to it."""
        try:
            name = JobName.from_subject(subject)
        except BadNameError:
            return
        with contextlib.suppress(BusError, UnreadableResultError):
            message, result = await asyncio.gather(self._bus.find_job(name), self._bus.results.get(name.key))
            if message is None:
                return
            if result is None and message.seq > (await self._bus.queue_state()).delivered_seq:
                failure = Failure(id=name.job_id, code="cancelled", detail="The job was cancelled.")
                result = await self._bus.results.create(name.key, encode(failure))
                await self._bus.publish(name.results_subject, result.value)
            if result:
                await self._remove(message.seq, decode_result(result.value), self._waiting.get(message.seq))

    async def _end_held(self, job: Job) -> None:
        """Cancel a held job whose result somebody else stored, where its cancel was lost."""
        with contextlib.suppress(BadNameError):
            if not job.is_cancelled and await self._bus.results.get(JobName.from_subject(job.subject).key):
                job.cancel()

    async def _read_new(self, state: QueueState) -> None:
        """Read messages that are not delivered yet, each once, up to the bounds of one sweep."""
        self._next_seq = max(self._next_seq, state.delivered_seq + 1)
        read_bytes = 0
        for _ in range(_MOST_READ):
            stored = await self._bus.next_stored(topology.JOBS_STREAM, self._next_seq, topology.JOBS_SUBJECTS)
            if stored is None:
                return
            self._next_seq = stored.seq + 1
            if waiting := self._understood(stored):
                self._waiting[stored.seq] = waiting
            read_bytes += len(stored.body)
            if read_bytes > _MOST_BYTES:
                return

    def _understood(self, stored: Stored) -> _Waiting | None:
        """None for what a worker must judge when it is delivered."""
        try:
            name, query = JobName.from_subject(stored.subject), decode_query(stored.body)
        except (BadNameError, BadMessageError, NewerVersionError):
            return None
        deadline_s = min(query.deadline_s or self._longest_s, self._longest_s)
        return _Waiting(stored.seq, name, _without_texts(query), stored.time_s, deadline_s)

    async def _expired(self) -> list[_Waiting]:
        now_s = self._bus.clock.now_s()
        late = [job for job in self._waiting.values() if job.stored_s + job.deadline_s < now_s]
        if late and (mark := await restore_mark.read(self._bus)):
            return [job for job in late if mark.counts_from_s(job.stored_s, job.seq) + job.deadline_s < now_s]
        return late

    async def _end(self, job: _Waiting, code: str, detail: str) -> None:
        failure = Failure(id=job.name.job_id, code=code, detail=detail)
        entry = await self._bus.results.create(job.name.key, encode(failure))
        await self._bus.publish(job.name.results_subject, entry.value)
        await self._remove(job.seq, decode_result(entry.value), job)

    def _in_turn(self) -> list[_Waiting]:
        """The next jobs to look up; they go to the end of the line."""
        chosen = list(self._waiting.values())[:_MOST_LOOKED_UP]
        for job in chosen:
            self._waiting[job.seq] = self._waiting.pop(job.seq)
        return chosen

    async def _remove_if_ended(self, job: _Waiting) -> None:
        if entry := await self._bus.results.get(job.name.key):
            with contextlib.suppress(UnreadableResultError):
                await self._remove(job.seq, decode_result(entry.value), job)

    async def _remove(self, seq: int, result: Result, job: _Waiting | None) -> None:
        """Take a job that has its result off the stream; the worker whose call removes it counts its failure."""
        self._waiting.pop(seq, None)
        if await self._bus.remove_stored(topology.JOBS_STREAM, seq) and isinstance(result, Failure):
            log.info("job ended while it waited", outcome=result.code)
            age_s = self._bus.clock.age_s(job.stored_s) if job else 0.0
            metrics.count_failure(result.code, job.query if job else None, age_s)


def _without_texts(query: Query) -> Query:
    """What the statistics need of a query: its size, up to what counts as large. Its texts may be long."""
    unset = dict.fromkeys(("documents", "space", "path", "messages", "response_format"), msgspec.UNSET)
    return msgspec.structs.replace(query, query="-", context="-" * min(query.text_bytes, _LARGE_BYTES), **unset)
