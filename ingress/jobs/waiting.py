"""Waits for a job: until its result, its deadline, the end of the client's wait, or its hang-up."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog

from contract.bus import Bus
from contract.errors import BusError
from contract.messages import Failure, FailureCode, Result, decode_result, encode
from contract.topology import JobName
from ingress.jobs.replies import Reply

log = structlog.get_logger(__name__)

T = TypeVar("T")

Receive = Callable[[], Awaitable[Any]]


class HungUpError(Exception):
    """The client closed the connection: there is no one to answer."""


async def result_of(
    bus: Bus, reply: Reply, job: JobName, *, wait_s: float, deadline_s: float, sha256: str
) -> Result | None:
    """The job's result, or None when the wait ends before the job does. A passed deadline is a result."""
    result = await reply.within(min(wait_s, deadline_s))
    if result:
        await note_read(bus, job)
    if result or reply.is_released or deadline_s > wait_s:
        return result
    detail = f"No answer was made within {deadline_s:g} s: ask again with a later `deadline_s`, or a shorter context."
    return await end_if_possible(bus, job, "deadline-exceeded", detail, sha256)


async def note_read(bus: Bus, job: JobName) -> None:
    """Say that the client has its result: an hour later it may make room for others. Best effort."""
    with contextlib.suppress(BusError):
        await bus.publish(job.read_subject, b"")


async def end_if_possible(bus: Bus, job: JobName, code: FailureCode, detail: str, sha256: str) -> Result | None:
    """Like `end`, but None when the bus can't store the failure now: the worker ends the job then."""
    try:
        return await end(bus, job, code, detail, sha256)
    except BusError as error:
        log.warning("job not ended", job=job.key, code=code, reason=str(error))
        return None


async def end(bus: Bus, job: JobName, code: FailureCode, detail: str, sha256: str | None = None) -> Result:
    """Store a failure as the job's result and cancel the job; raises BusError when it is not stored.

    Returns the stored result, which is an answer if that came first.
    """
    failure = Failure(id=job.job_id, code=code, detail=detail)
    if sha256:
        failure = Failure(id=job.job_id, code=code, detail=detail, body_sha256=sha256)
    stored_result = await bus.results.create(job.key, encode(failure))
    with contextlib.suppress(BusError):
        await bus.publish(job.cancel_subject, b"")
    return decode_result(stored_result.value)


async def unless_hung_up(receive: Receive, waiting: Awaitable[T]) -> T:
    """The result of `waiting`; raises HungUpError if the client hangs up first. Call it after the body was read."""
    wait, hang_up = asyncio.ensure_future(waiting), asyncio.ensure_future(_hang_up(receive))
    try:
        await asyncio.wait({wait, hang_up}, return_when=asyncio.FIRST_COMPLETED)
        if wait.done():
            return wait.result()
        raise HungUpError
    finally:
        wait.cancel()
        hang_up.cancel()


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
