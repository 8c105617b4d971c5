"""Announces every few seconds that this worker is alive, how busy it is and how fast."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

import psutil
from nats.aio.msg import Msg

from contract import topology
from contract.bus import Bus
from contract.errors import BusError
from contract.messages import Tuning, WorkerAnnouncement, encode
from inference_worker.engines.base import Engine
from inference_worker.jobs.kept_pace import KeptPace
from inference_worker.jobs.other_workers import OtherWorkers
from inference_worker.jobs.worker import Worker
from inference_worker.monitoring import metrics

PERIOD_S: Final = 5
TICK_S: Final = 1.0
PACE_CHANGE: Final = 0.1
"""The part by which the pace must have changed to be announced before its time."""
CHANGES_EVERY_S: Final = 0.2
"""How often idle slots are looked at, here and elsewhere; slots that are idle twice in a row are announced."""


class Heartbeat:
    """Publishes one worker's announcements, under its id."""

    def __init__(
        self,
        bus: Bus,
        engine: Engine,
        worker: Worker,
        worker_id: str,
        tuning: Callable[[], Tuning | None] = lambda: None,
        model_error: Callable[[], str | None] = lambda: None,
        kept_pace: KeptPace | None = None,
    ) -> None:
        """`tuning` says how far the model's tuning is, `model_error` why it makes no progress.

        `kept_pace` is where the pace of this load is kept for the next start; None: nowhere.
        """
        self._kept_pace = kept_pace
        self._bus = bus
        self.engine = engine
        self._worker = worker
        self._id = worker_id
        self._tuning = tuning
        self._model_error = model_error
        self._process = psutil.Process()
        self.others = OtherWorkers(worker_id)
        self._idle_slots = 0
        self._announced_pace = 0.0

    async def run(self) -> None:
        """Measure every second, announce every PERIOD_S, and when the pace has changed."""
        seconds = 0
        while True:
            await self.announce() if seconds % PERIOD_S == 0 or self._pace_has_changed() else None
            await self._measure()
            seconds += 1

    def _pace_has_changed(self) -> bool:
        return abs(self._worker.pace.jobs_per_s - self._announced_pace) > PACE_CHANGE * self._announced_pace

    async def balance(self) -> None:
        """Announce idle slots when they change, and leave waiting jobs to others' idle slots; does not return."""
        last = 0
        while True:
            await asyncio.sleep(CHANGES_EVERY_S)
            idle = max(self.engine.slots - self._worker.held, 0)
            announced, self._idle_slots, last = self._idle_slots, min(idle, last), idle
            if announced != self._idle_slots:
                await self.announce()
            self._worker.make_room(self.others.idle_slots)

    async def answer_roll_call(self, _: Msg) -> None:
        """Announce at once, because an ingress asked."""
        await self.announce()

    async def announce(self, *, leaving: bool = False) -> None:
        """Publish the worker's state; best effort."""
        self._announced_pace = self._worker.pace.jobs_per_s
        message = WorkerAnnouncement(
            id=self._id,
            model=self.engine.model_name,
            slots=self.engine.slots,
            busy=self._worker.busy,
            held=self._worker.held,
            jobs_per_s=self._worker.throughput.jobs_per_s,
            tokens_per_s=self._worker.throughput.tokens_per_s,
            memory_bytes=self._process.memory_info().rss,
            context_tokens=self.engine.context_tokens,
            max_prompt_bytes=self.engine.max_prompt_bytes,
            pace=round(self._announced_pace, 3),
            idle_slots=0 if leaving else self._idle_slots,
            leaving=leaving,
            clock_skew_s=round(self._bus.clock.skew_s, 3),
            error=self._worker.error,
            model_error=self._model_error() or "",
            tuning=self._tuning(),
            confirms_erasures=True,
        )
        with contextlib.suppress(BusError):
            await self._bus.publish(topology.worker_subject(self._id), encode(message))

    async def _measure(self) -> None:
        started_s, tokens = time.monotonic(), self.engine.tokens_generated
        had_work = self._worker.held > 0
        await asyncio.sleep(TICK_S)
        elapsed_s = time.monotonic() - started_s
        self._worker.throughput.tick(
            elapsed_s if had_work or self._worker.held else 0.0,
            self.engine.tokens_generated - tokens,
        )
        await self._keep_pace()
        metrics.SLOTS_BUSY.set(self._worker.busy)
        metrics.OLDEST_WAITING.set(self._worker.consumer.oldest_waiting_s())

    async def _keep_pace(self) -> None:
        """Keep a pace that was measured, for the next start."""
        pace = self._worker.pace
        if self._kept_pace and pace.is_measured and self._kept_pace.has_changed(pace.jobs_per_s):
            await asyncio.to_thread(self._kept_pace.write, pace.jobs_per_s)
