"""Writes results and dead letters to the bus until they are stored, and sends live messages, which are best effort."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
import structlog

from contract import topology
from contract.bus import Bus
from contract.errors import BusError, MessageTooLargeError
from contract.messages import DeadLetter, Result, TokenEvent, decode_result, encode
from contract.topology import JobName

FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 2.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Outbox:
    """Stores what must not be lost, trying until it is stored; what the bus refuses for good is tried once.

    `on_stuck` is called when something can't be stored, `on_free` when all is: nothing new is fetched in between.
    """

    def __init__(self, bus: Bus, on_stuck: Callable[[], None], on_free: Callable[[], None]) -> None:
        self._bus = bus
        self._on_stuck = on_stuck
        self._on_free = on_free
        self._stuck: set[str] = set()
        self.error = ""
        """Why something can't be stored now; empty while nothing is stuck."""

    async def store(self, job: JobName, result: Result) -> Result:
        """Create the job's result; returns what is stored, which may be another's that came first.

        Raises MessageTooLargeError, and UnreadableResultError when the other's is of a newer version.
        """
        body = encode(result)
        entry = await self._until_stored(job.key, lambda: self._bus.results.create(job.key, body))
        return decode_result(entry.value)

    async def dead_letter(self, letter: DeadLetter, job_id: str, message_id: str) -> None:
        """Store a dead letter; one that is larger than the bus accepts keeps its body's size and hash only.

        `message_id` names the job's message: trying again makes no second letter.
        """
        subject = topology.dead_subject(letter.reason, job_id)

        async def store(letter: DeadLetter) -> None:
            body = encode(letter)
            await self._until_stored(letter.subject, lambda: self._bus.publish_dead(subject, body, message_id))

        try:
            await store(letter)
        except MessageTooLargeError:
            log.warning("dead letter is larger than the bus accepts: it keeps no query", size_bytes=letter.size_bytes)
            await store(msgspec.structs.replace(letter, query=None, headers={}))

    async def reply(self, job: JobName, result: Result) -> None:
        """Publish the result live, best effort."""
        await self._send(job.results_subject, encode(result))

    async def stream(self, job: JobName, event: TokenEvent) -> None:
        """Publish a piece of an answer live, best effort."""
        await self._send(job.tokens_subject, encode(event))

    async def _send(self, subject: str, body: bytes) -> None:
        with contextlib.suppress(BusError):
            await self._bus.publish(subject, body)

    async def _until_stored(self, key: str, store: Callable[[], Awaitable[T]]) -> T:
        delay_s = FIRST_RETRY_S
        try:
            while True:
                try:
                    return await store()
                except MessageTooLargeError:
                    raise
                except BusError as error:
                    self._note_stuck(key, error)
                    await asyncio.sleep(delay_s)
                    delay_s = min(delay_s * 2, LONGEST_RETRY_S)
        finally:
            self._note_free(key)

    def _note_stuck(self, key: str, error: BusError) -> None:
        self.error = f"Results can't be stored: {error}"
        if key not in self._stuck:
            log.warning("result can't be stored; retrying, and fetching no new jobs", job=key, reason=str(error))
            self._stuck.add(key)
            self._on_stuck()

    def _note_free(self, key: str) -> None:
        if key in self._stuck:
            self._stuck.discard(key)
            if not self._stuck:
                self.error = ""
                self._on_free()
