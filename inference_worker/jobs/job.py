"""One job that this worker holds: its newest delivery, and how far it has come."""

import asyncio
import contextlib
import json
import time
from typing import Any

from nats.aio.msg import Msg

from contract.bus import Bus
from contract.errors import BusError
from contract.messages import Query


class Job:
    """A delivered message. Acks are best effort: one that is lost makes the job come again, with its result stored."""

    def __init__(self, bus: Bus, message: Msg, ack_wait_s: float) -> None:
        self._bus = bus
        self._ack_wait_s = ack_wait_s
        self._message = message
        self._kept_s = time.monotonic()
        self.subject = message.subject
        self.body = message.data
        self.headers = dict(message.headers or {})
        self.accepted_s = message.metadata.timestamp.timestamp()
        """When the stream stored it, by the wall clock; after a restore, when that was."""
        self.stream_seq = message.metadata.sequence.stream
        self.is_redelivered = message.metadata.num_delivered > 1
        self.query: Query | None = None
        """What is asked, once it is read and sanitized."""
        self.trace: str | None = None
        """The trace context of this delivery."""
        self.is_started = False
        """True once it may enter the batch: from then on a drain waits for it."""
        self.is_cancelled = False
        self._generation: asyncio.Future[Any] | None = None

    @property
    def is_stale(self) -> bool:
        """True when the server may have given the job to another worker: then it is no longer ours to give back."""
        return time.monotonic() - self._kept_s > self._ack_wait_s

    def redelivered(self, message: Msg) -> None:
        """The same job came again while it is held: acks go to the newest delivery."""
        self._message = message
        self._kept_s = time.monotonic()

    def cancel(self) -> None:
        """Stop making an answer that nobody waits for."""
        self.is_cancelled = True
        if self._generation:
            self._generation.cancel()

    def begin(self, generation: "asyncio.Future[Any]") -> None:
        """What a cancel stops from now on; at once, when the hint came while the start was being counted."""
        self._generation = generation
        if self.is_cancelled:
            generation.cancel()

    async def keep(self) -> None:
        """Tell the server that the job is being worked on; only an answered call counts."""
        with contextlib.suppress(BusError):
            await self._bus.request(self._message.reply, b"+WPI")
            self._kept_s = time.monotonic()

    async def ack(self) -> None:
        """Done: the job leaves the stream and its place is free."""
        await self._say(b"+ACK")

    async def terminate(self) -> None:
        """Never again: the job leaves the stream, unless another worker may have it by now."""
        if not self.is_stale:
            await self._say(b"+TERM")

    async def give_back(self, delay_s: float = 0) -> None:
        """Let the job be delivered again, unless another worker may have it by now."""
        if not self.is_stale:
            await self._say(b"-NAK" + (json.dumps({"delay": int(delay_s * 1e9)}).encode() if delay_s else b""))

    async def _say(self, word: bytes) -> None:
        with contextlib.suppress(BusError):
            await self._bus.publish(self._message.reply, word)
