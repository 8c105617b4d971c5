"""An answer as server-sent events: its evidence, one event per piece as it is made, then the result.

`queued` says how many jobs are before it while it waits, `evidence` lists the sentences that were found for it,
`token` carries a piece, `restart` starts a new attempt
(discard what came before), `result` and `error` end the stream; `accepted` ends it when the ingress stops first, and
says where the result will be.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import msgspec
from litestar.response.sse import ServerSentEventMessage
from nats.aio.msg import Msg

from contract.bus import Bus
from contract.messages import Answer, Failure, Result, TokenEvent, decode_token, encode
from contract.topology import JobName
from ingress import problems
from ingress.jobs.positions import Position, Positions
from ingress.jobs.status import public

KEEP_ALIVE_S: Final = 15.0
POSITIONS_EVERY_S: Final = 1.0
FIRST_POSITION_AFTER_S: Final = 0.25
"""What starts at once needs no position, and no requests to the bus for one."""
LAST_TOKENS_WITHIN_S: Final = 0.2
"""Pieces and the result come over two subscriptions: the result may be seen a moment before the last piece."""


class Tokens:
    """The pieces of one job, in the order in which they were made."""

    def __init__(self, bus: Bus, job: JobName) -> None:
        self._bus = bus
        self._job = job
        # Bounded by the answer: an engine sends at most `max_tokens` pieces.
        self._queue: asyncio.Queue[TokenEvent | Position] = asyncio.Queue()
        self._attempt: int | None = None
        self.text = ""

    async def __aenter__(self) -> "Tokens":
        self._subscription = await self._bus.client.subscribe(self._job.tokens_subject, cb=self._on_message)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._bus.is_connected:
            await self._subscription.unsubscribe()

    async def _on_message(self, message: Msg) -> None:
        self._queue.put_nowait(decode_token(message.data))

    async def follow(self, positions: Positions, seq: int | None) -> None:
        """Report the job's position soon, and whenever it changes, until its first piece; cancel it at the end."""
        await asyncio.sleep(FIRST_POSITION_AFTER_S)
        reported: int | None = None
        while self._attempt is None:
            found = await positions.of(seq)
            if found and found.position != reported:
                reported = found.position
                self._queue.put_nowait(found)
            await asyncio.sleep(POSITIONS_EVERY_S)

    async def until(self, ending: "asyncio.Future[Result | None]") -> AsyncIterator[ServerSentEventMessage]:
        """Yield events until `ending` is done and the whole text of its answer was sent."""
        while not ending.done():
            piece = asyncio.ensure_future(self._queue.get())
            both: list[asyncio.Future[Any]] = [piece, ending]
            await asyncio.wait(both, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            if piece.done():
                for event in self._events_for(piece.result()):
                    yield event
                continue
            piece.cancel()
            if not ending.done():
                yield ServerSentEventMessage(comment="waiting", data=None)
        async for event in self._rest(ending.result()):
            yield event

    async def _rest(self, result: Result | None) -> AsyncIterator[ServerSentEventMessage]:
        last_s = time.monotonic() + LAST_TOKENS_WITHIN_S
        while isinstance(result, Answer) and len(self.text) < len(result.answer):
            try:
                piece = await asyncio.wait_for(self._queue.get(), last_s - time.monotonic())
            except TimeoutError:
                return  # pieces were lost: the result holds the whole text
            for event in self._events_for(piece):
                yield event

    def _events_for(self, piece: TokenEvent | Position) -> list[ServerSentEventMessage]:
        events: list[ServerSentEventMessage] = []
        if isinstance(piece, Position):
            return [_event("queued", msgspec.to_builtins(piece))] if self._attempt is None else []
        if self._attempt not in (None, piece.attempt):
            events.append(_event("restart", {"attempt": piece.attempt}))
            self.text = ""
        self._attempt = piece.attempt
        if piece.evidence is not msgspec.UNSET:
            return [*events, _event("evidence", {"evidence": piece.evidence})]
        self.text += piece.text
        events.append(_event("token", {"index": piece.index, "text": piece.text}))
        return events


def last_event(job: JobName, location: str, result: Result | None) -> ServerSentEventMessage:
    """The event that ends the stream."""
    match result:
        case Answer():
            return ServerSentEventMessage(event="result", data=encode(public(result)).decode())
        case Failure():
            return _event("error", problems.failed(result).body)
        case None:
            return _event("accepted", {"id": job.job_id, "status": "queued", "location": location})


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
