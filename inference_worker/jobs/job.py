"""One job that this worker holds: its newest delivery, and what is known of it so far."""

import asyncio
import contextlib
import json
import math
import time
from typing import Any

from nats.aio.msg import Msg

from contract.bus import Bus
from contract.errors import BusError
from contract.messages import Query


class Job:
    """A delivered message. Acks are best effort: after a lost one the job comes again, with its result stored."""

    def __init__(self, bus: Bus, message: Msg, ack_wait_s: float) -> None:
        self._bus = bus
        self._ack_wait_s = ack_wait_s
        self._message = message
        self._kept_s = time.monotonic()
        self.subject = message.subject
        self.body = message.data
        self.headers = dict(message.headers or {})
        self.accepted_s = message.metadata.timestamp.timestamp()
        """When the stream stored it, by the bus's clock; after a restore, the time of the restore."""
        self.stream_seq = message.metadata.sequence.stream
        self.is_redelivered = message.metadata.num_delivered > 1
        self.query: Query | None = None
        """The sanitized query, once the body was read."""
        self.trace: str | None = None
        """The trace context of this delivery."""
        self.is_started = False
        """True once it has a slot: from then on a drain waits for it."""
        self.is_counted = False
        """True where starts of it are counted on disk."""
        self.is_cancelled = False
        self.waits_since_s = math.inf
        """Since when it has waited for a slot, monotonic; infinity while it does not."""
        self._generation: asyncio.Future[Any] | None = None

    @property
    def is_stale(self) -> bool:
        """True when the server may have given the job to another worker; then this one must not give it back."""
        return time.monotonic() - self._kept_s > self._ack_wait_s

    def redelivered(self, message: Msg) -> None:
        """Take in a new delivery of the same job: acks go to the newest."""
        self._message = message
        self._kept_s = time.monotonic()

    def cancel(self) -> None:
        """Stop generating: the answer is not wanted any more."""
        self.is_cancelled = True
        if self._generation:
            self._generation.cancel()

    def begin(self, generation: "asyncio.Future[Any]") -> None:
        """Name what `cancel` stops, a wait or an answer; stopped at once if the cancel came first."""
        self._generation = generation
        if self.is_cancelled:
            generation.cancel()

    async def keep(self) -> None:
        """Extend the ack wait. Only an answered call counts as kept."""
        with contextlib.suppress(BusError):
            await self._bus.request(self._message.reply, b"+WPI")
            self._kept_s = time.monotonic()

    async def ack(self) -> None:
        """Remove the job from the stream, which frees its place in the queue."""
        await self._respond(b"+ACK")

    async def terminate(self) -> None:
        """Remove the job from the stream for good, unless another worker may have it by now."""
        if not self.is_stale:
            await self._respond(b"+TERM")

    async def give_back(self, delay_s: float = 0) -> None:
        """Let the job be delivered again, unless another worker may have it by now."""
        if not self.is_stale:
            await self._respond(b"-NAK" + (json.dumps({"delay": int(delay_s * 1e9)}).encode() if delay_s else b""))

    async def _respond(self, word: bytes) -> None:
        with contextlib.suppress(BusError):
            await self._bus.publish(self._message.reply, word)
