"""The workers that are alive, as far as their announcements tell, and how fast they work."""

import math
import time
from typing import Final

import structlog
from nats.aio.msg import Msg

from contract.errors import BadMessageError
from contract.messages import WorkerAnnouncement, decode_announcement

LIVE_S: Final = 15.0
"""A worker that has not announced itself for this long is not counted."""

UNKNOWN_RATE_RETRY_S: Final = 5
LONGEST_RETRY_S: Final = 60

log = structlog.get_logger(__name__)


class Fleet:
    """Keeps each worker's last announcement."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[float, WorkerAnnouncement]] = {}
        self._live: list[WorkerAnnouncement] = []
        self._live_until_s = -math.inf

    async def hear(self, message: Msg) -> None:
        """Take in one announcement from the bus."""
        try:
            worker = decode_announcement(message.data)
        except BadMessageError as error:
            log.warning("unreadable announcement", error=str(error))
            return
        if worker.leaving:
            self._heard.pop(worker.id, None)
        else:
            self._heard[worker.id] = (time.monotonic(), worker)
        self._live_until_s = -math.inf

    def live(self) -> list[WorkerAnnouncement]:
        """The workers heard within the last LIVE_S seconds, oldest name first."""
        now_s = time.monotonic()
        # Asked for every question, and the same until somebody announces itself or falls silent.
        if now_s > self._live_until_s:
            self._heard = {name: heard for name, heard in self._heard.items() if heard[0] >= now_s - LIVE_S}
            self._live = sorted((worker for _, worker in self._heard.values()), key=lambda worker: worker.id)
            self._live_until_s = min((at_s for at_s, _ in self._heard.values()), default=now_s) + LIVE_S
        return self._live

    def retry_after_s(self, jobs: int) -> int:
        """Whole seconds until a place for a new job is likely, with `jobs` waiting or running."""
        workers = self.live()
        if not workers:
            return LONGEST_RETRY_S
        rate = sum(worker.jobs_per_s for worker in workers)
        if not rate:
            return UNKNOWN_RATE_RETRY_S
        return min(max(math.ceil(jobs / rate), 1), LONGEST_RETRY_S)

    def max_prompt_bytes(self) -> int | None:
        """The largest prompt that any live worker might take; None when no worker is known."""
        return max((worker.max_prompt_bytes for worker in self.live()), default=None)
