"""An answer as server-sent events: its evidence, one event per piece as it is made, then the result.

`queued` says how many jobs are before it while it waits, `evidence` lists the sentences that were found for it,
`token` carries a piece, `restart` starts a new attempt (discard what came before), `result` and `error` end the stream;
`accepted` ends it when the ingress stops first, and says where the result will be.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec
from litestar.response.sse import ServerSentEventMessage

from contract.messages import Answer, Failure, Result, TokenEvent, encode
from contract.topology import JobName
from ingress import problems
from ingress.api.following import Accepted, Ended, Happening, Restarted, Waiting
from ingress.jobs.admission import location_of
from ingress.jobs.positions import Position
from ingress.jobs.status import public


async def events_of(
    job: JobName, happenings: AsyncGenerator[Happening, None]
) -> AsyncGenerator[ServerSentEventMessage]:
    """All events of one job; an error before the first one is raised as a Problem."""
    async with contextlib.aclosing(happenings) as open_ones:
        async for happening in open_ones:
            yield _event_for(job, happening)


def _event_for(job: JobName, happening: Happening) -> ServerSentEventMessage:
    match happening:
        case Accepted():
            return ServerSentEventMessage(comment=f"accepted {job.job_id}", data=None)
        case Waiting():
            return ServerSentEventMessage(comment="waiting", data=None)
        case Position():
            return _event("queued", msgspec.to_builtins(happening))
        case Restarted():
            return _event("restart", {"attempt": happening.attempt})
        case TokenEvent():
            if happening.evidence is not msgspec.UNSET:
                return _event("evidence", {"evidence": happening.evidence})
            return _event("token", {"index": happening.index, "text": happening.text})
        case Ended():
            return _last_event(job, happening.result)


def _last_event(job: JobName, result: Result | None) -> ServerSentEventMessage:
    match result:
        case Answer():
            return ServerSentEventMessage(event="result", data=encode(public(result)).decode())
        case Failure():
            return _event("error", problems.failed(result).body)
        case None:
            return _event("accepted", {"id": job.job_id, "status": "queued", "location": location_of(job.job_id)})


async def primed(
    events: AsyncGenerator[ServerSentEventMessage, None],
) -> AsyncIterator[ServerSentEventMessage]:
    """Run `events` up to its first event, so that an exception before it still becomes an HTTP response."""
    first = await anext(events)

    async def rest() -> AsyncIterator[ServerSentEventMessage]:
        try:
            yield first
            async for event in events:
                yield event
        finally:
            await events.aclose()

    return rest()


def _event(name: str, data: dict[str, object]) -> ServerSentEventMessage:
    return ServerSentEventMessage(event=name, data=msgspec.json.encode(data).decode())
