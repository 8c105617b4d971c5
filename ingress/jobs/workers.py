"""The live workers and their speed, as known from their announcements."""

import math
import time
from typing import Final

import structlog
from nats.aio.msg import Msg

from contract.errors import BadMessageError
from contract.messages import WorkerAnnouncement, decode_announcement

LIVE_S: Final = 15.0
"""A worker that has not announced itself for this long is not counted."""

log = structlog.get_logger(__name__)


class Fleet:
    """Keeps each worker's last announcement."""

    def __init__(self) -> None:
        self._announced: dict[str, tuple[float, WorkerAnnouncement]] = {}
        self._live: list[WorkerAnnouncement] = []
        self._live_until_s = -math.inf

    async def on_message(self, message: Msg) -> None:
        """Record one announcement from the bus."""
        try:
            worker = decode_announcement(message.data)
        except BadMessageError as error:
            log.warning("unreadable announcement", error=str(error))
            return
        if worker.leaving:
            self._announced.pop(worker.id, None)
        else:
            self._announced[worker.id] = (time.monotonic(), worker)
        self._live_until_s = -math.inf

    def live(self) -> list[WorkerAnnouncement]:
        """The workers that announced themselves within the last LIVE_S seconds, ordered by id."""
        now_s = time.monotonic()
        # Called for every question; the list changes only when a worker announces itself or misses its announcements.
        if now_s > self._live_until_s:
            self._announced = {name: seen for name, seen in self._announced.items() if seen[0] >= now_s - LIVE_S}
            self._live = sorted((worker for _, worker in self._announced.values()), key=lambda worker: worker.id)
            self._live_until_s = min((at_s for at_s, _ in self._announced.values()), default=now_s) + LIVE_S
        return self._live

    @property
    def pace(self) -> float:
        """Jobs that all live workers together end in a second while all their slots are busy; 0 without a worker.

        Older workers announce no pace: theirs is that of their last minute, else one job a slot and second.
        """
        return sum(worker.pace or worker.jobs_per_s or worker.slots for worker in self.live())

    @property
    def slots(self) -> int:
        """Jobs that all live workers together can run at once."""
        return sum(worker.slots for worker in self.live())

    def max_prompt_bytes(self) -> int | None:
        """The largest prompt that any live worker might take; None when no worker is known."""
        return max((worker.max_prompt_bytes for worker in self.live()), default=None)
