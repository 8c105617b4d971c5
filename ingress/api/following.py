"""One job as it happens: published, waited for, followed piece by piece, and cancelled when its client goes away.

Shared by all routes that ask. Leaves the form of requests and responses to them.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import msgspec
from nats.aio.msg import Msg

from contract.bus import Bus
from contract.messages import Answer, Failure, Result, TokenEvent, decode_token
from contract.topology import JobName
from ingress.jobs.admission import Admitted, Asked
from ingress.jobs.positions import Position, Positions
from ingress.jobs.replies import Reply
from ingress.jobs.waiting import HungUpError, Receive, end_if_possible, result_of, unless_hung_up
from ingress.middleware.audit import Decision
from ingress.services import Services

KEEP_ALIVE_S: Final = 15.0
POSITIONS_EVERY_S: Final = 1.0
FIRST_POSITION_AFTER_S: Final = 0.25
"""What starts at once needs no position, and no requests to the bus for one."""
LAST_TOKENS_WITHIN_S: Final = 0.2
"""Pieces and the result come over two subscriptions: the result may be seen a moment before the last piece."""
_HUNG_UP: Final = "The client hung up."


class Accepted(msgspec.Struct, frozen=True):
    """The job is on the stream."""


class Waiting(msgspec.Struct, frozen=True):
    """Nothing happened for KEEP_ALIVE_S seconds."""


class Restarted(msgspec.Struct, frozen=True):
    """A new attempt began: what came before does not count."""

    attempt: int


class Ended(msgspec.Struct, frozen=True):
    """The job's result; None when the ingress stops first."""

    result: Result | None


Happening = Accepted | Waiting | Position | Restarted | TokenEvent | Ended


async def followed(services: Services, asked: Asked, *, returns_later: bool = False) -> AsyncGenerator[Happening, None]:
    """Publish the job and yield what happens, `Ended` last; raises Problem where it is refused.

    Closing the generator before the end cancels the job, unless its client `returns_later`.
    """
    job = asked.job
    with services.replies.expect(job) as reply:
        async with Tokens(services.bus, job) as tokens:
            admitted = await services.admission.submit(asked)
            if admitted.stored_result:
                asked.record.ended(ending_of(admitted.stored_result))
                yield Ended(admitted.stored_result)
                return
            asked.record.ended("hung-up")
            deadline_s = services.deadline_s(asked.query)
            ending = asyncio.ensure_future(
                result_of(services.bus, reply, job, wait_s=deadline_s, deadline_s=deadline_s, sha256=admitted.sha256)
            )
            started_s = time.time()
            following = asyncio.create_task(tokens.follow(services.positions, admitted.seq), name="follow the position")
            try:
                yield Accepted()
                async for happening in tokens.until(ending):
                    yield happening
                asked.record.ended(ending_of(ending.result()))
                yield Ended(ending.result())
            finally:
                following.cancel()
                services.tracer.record("wait", asked.trace, started_s, time.time())
                if not ending.done():
                    ending.cancel()
                    if not returns_later:
                        # Shielded: the hang-up that cancels this stream must not cancel the job's cancellation.
                        cancelling = end_if_possible(services.bus, job, "cancelled", _HUNG_UP, admitted.sha256)
                        await asyncio.shield(asyncio.ensure_future(cancelling))


async def waited_for(
    services: Services, asked: Asked, admitted: Admitted, reply: Reply, receive: Receive, wait_s: float, *,
    returns_later: bool = False,
) -> Result | None:  # fmt: skip
    """The job's result within `wait_s` seconds, else None; raises HungUpError once the client has hung up.

    Then the job is cancelled, unless its client `returns_later`. Call it after the request's body was read.
    """
    deadline_s = services.deadline_s(asked.query)
    waiting = result_of(services.bus, reply, asked.job, wait_s=wait_s, deadline_s=deadline_s, sha256=admitted.sha256)
    try:
        with services.tracer.span("wait", asked.trace):
            return await unless_hung_up(receive, waiting)
    except HungUpError:
        if not returns_later:
            await end_if_possible(services.bus, asked.job, "cancelled", _HUNG_UP, admitted.sha256)
        raise


def ending_of(result: Result | None) -> Decision:
    """The audit log's decision for the end of a job that was waited for."""
    match result:
        case Answer():
            return "answered"
        case Failure():
            return "failed"
        case None:
            return "accepted"


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

    async def until(self, ending: "asyncio.Future[Result | None]") -> AsyncIterator[Happening]:
        """Yield what happens until `ending` is done and the whole text of its answer was sent."""
        while not ending.done():
            piece = asyncio.ensure_future(self._queue.get())
            both: list[asyncio.Future[Any]] = [piece, ending]
            await asyncio.wait(both, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            if piece.done():
                for happening in self._happenings(piece.result()):
                    yield happening
                continue
            piece.cancel()
            if not ending.done():
                yield Waiting()
        async for happening in self._rest(ending.result()):
            yield happening

    async def _rest(self, result: Result | None) -> AsyncIterator[Happening]:
        last_s = time.monotonic() + LAST_TOKENS_WITHIN_S
        while isinstance(result, Answer) and len(self.text) < len(result.answer):
            try:
                piece = await asyncio.wait_for(self._queue.get(), last_s - time.monotonic())
            except TimeoutError:
                return  # pieces were lost: the result holds the whole text
            for happening in self._happenings(piece):
                yield happening

    def _happenings(self, piece: TokenEvent | Position) -> list[Happening]:
        if isinstance(piece, Position):
            return [piece] if self._attempt is None else []
        is_new = self._attempt not in (None, piece.attempt)
        self.text = piece.text if is_new else self.text + piece.text
        self._attempt = piece.attempt
        return [Restarted(piece.attempt), piece] if is_new else [piece]
