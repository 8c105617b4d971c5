"""Pulls jobs from the durable consumer, holds them while they are served, and gives back those not started.

nats-py's own `fetch` blocks for its whole timeout when the server restarts, and a cancelled one can lose a delivery
until its ack wait is over. So the pull requests are made here: each asks for as many jobs as there is room for, and
the server answers into one inbox, which stays open until the last delivered job was taken in.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from contract import topology
from contract.bus import Bus, api
from contract.errors import BusError
from inference_worker.jobs.job import Job
from inference_worker.monitoring import metrics

PULL_EXPIRES_S: Final = 1.0
"""How long the server keeps a pull request open; a stopping worker may wait that long for its end."""
WAITS_A_MOMENT_S: Final = 0.2
BACK_OFF_S: Final = 1.0
"""Pause after the server found no such consumer, and delay of a job that met an unexpected error."""

_NEXT = api.next_message(topology.JOBS_STREAM, topology.WORKER_DURABLE)
_GONE = frozenset({"404", "503"})

log = structlog.get_logger(__name__)

Serve = Callable[[Job], Awaitable[None]]


class _Pull(msgspec.Struct, frozen=True):
    """A pull request that the server may still answer, until `ends_s` (monotonic)."""

    batch: int
    ends_s: float


class Consumer:
    """Holds up to `limit` jobs, each served by a task of its own, and extends their ack waits."""

    def __init__(self, bus: Bus, serve: Serve, limit: int, ack_wait_s: float) -> None:
        self._bus = bus
        self._serve = serve
        self._limit = limit
        self._ack_wait_s = ack_wait_s
        self._held: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._inbox = ""
        self._pulls: dict[str, _Pull] = {}
        self._asked = 0
        """How many jobs the server may still deliver, over all pulls: a delivery does not name its pull."""
        self._pulled = 0
        self._not_before_s = 0.0
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._is_paused = False

    @property
    def jobs(self) -> list[Job]:
        """The held jobs, oldest delivery first."""
        return list(self._held.values())

    @property
    def held(self) -> int:
        """How many jobs are held, started or not."""
        return len(self._held)

    def oldest_waiting_s(self) -> float:
        """Age in seconds of the oldest job that is held and not started; 0 if there is none."""
        waiting = [job.accepted_s for job in self._held.values() if not job.is_started]
        return self._bus.clock.age_s(min(waiting)) if waiting else 0.0

    @property
    def started(self) -> list[str]:
        """The subjects of the started jobs."""
        return [subject for subject, job in self._held.items() if job.is_started]

    async def run(self) -> None:
        """Pull for ever; cancel it to stop pulling, which may take PULL_EXPIRES_S, then call `drain`."""
        self._inbox = (
            f"{self._bus.client._inbox_prefix.decode()}.pull.{self._bus.client.new_inbox().rpartition('.')[2]}"
        )
        subscription = await self._bus.client.subscribe(f"{self._inbox}.*", cb=self._receive)
        keeping = asyncio.create_task(self._keep_all(), name="keep deliveries alive")
        try:
            while True:
                await self._pull_for_room()
                await self._wait_a_little()
        finally:
            await self._close(subscription)
            keeping.cancel()

    async def drain(self, limit_s: float) -> None:
        """Give back what is not started, at once; let the rest finish for up to `limit_s`, then give it back too."""
        await asyncio.sleep(0)  # a task cancelled before its first step would not give its job back
        keeping = asyncio.create_task(self._keep_all(), name="keep deliveries alive")
        for subject, job in list(self._held.items()):
            if not job.is_started:
                self._tasks[subject].cancel()
        ends = {asyncio.create_task(self._all_done()), asyncio.create_task(self._hurry.wait())}
        await asyncio.wait(ends, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        for task in (*ends, *self._tasks.values()):
            task.cancel()
        await self._all_done()
        keeping.cancel()

    async def _all_done(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    def hurry(self) -> None:
        """End a drain now."""
        self._hurry.set()
        self._wake.set()

    def bound(self, limit: int) -> None:
        """Hold up to `limit` jobs from now on; what is held above it stays."""
        if limit != self._limit:
            self._limit = limit
            self._wake.set()

    def pause(self) -> None:
        """Fetch nothing new."""
        self._is_paused = True

    def resume(self) -> None:
        """Fetch again."""
        self._is_paused = False
        self._wake.set()

    async def forget_pulls(self) -> None:
        """After a reconnect: the server no longer knows the pulls of the former connection."""
        self._pulls.clear()
        self._asked = 0
        self._wake.set()

    def cancel(self, subject: str) -> bool:
        """Cancel the job with this subject; False when it is not held."""
        job = self._held.get(subject)
        if job:
            job.cancel()
        return job is not None

    def give_back(self, most: int) -> None:
        """Give back the newest jobs that have waited for a slot for a moment, so that other workers may take them.

        Nothing is given back while this worker's own pulls are open: the server would return it to them.
        """
        since_s = time.monotonic() - WAITS_A_MOMENT_S
        waiting = [job for job in self._held.values() if not job.is_started and job.waits_since_s < since_s]
        for job in waiting[::-1][:most] if not self._asked else ():
            self._tasks[job.subject].cancel()

    async def _pull_for_room(self) -> None:
        now_s = time.monotonic()
        self._drop_ended(now_s)
        room = self._limit - len(self._held) - self._asked
        if room <= 0 or self._is_paused or now_s < self._not_before_s:
            return
        self._pulled += 1
        inbox = f"{self._inbox}.{self._pulled}"
        request = json.dumps({"batch": room, "expires": int(PULL_EXPIRES_S * 1e9)}).encode()
        with contextlib.suppress(nats.errors.Error):
            await self._bus.client.publish(_NEXT, request, reply=inbox)
            self._pulls[inbox] = _Pull(room, now_s + PULL_EXPIRES_S + 1)
            self._asked += room

    def _drop_ended(self, now_s: float) -> None:
        """Forget pulls whose end was never reported, oldest first; without pulls no delivery is due."""
        if not self._asked:
            self._pulls.clear()
        while self._pulls and (oldest := next(iter(self._pulls))) and self._pulls[oldest].ends_s < now_s:
            del self._pulls[oldest]
        if not self._pulls:
            self._asked = 0

    async def _wait_a_little(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BACK_OFF_S):
                await self._wake.wait()
        self._wake.clear()

    async def _receive(self, message: Msg) -> None:
        if message.reply.startswith(api.ACKS):
            self._accept(message)
        else:
            self._end_pull(message)

    def _accept(self, message: Msg) -> None:
        self._asked = max(self._asked - 1, 0)
        self._wake.set()
        if message.metadata.num_delivered > 1:
            metrics.REDELIVERIES.inc()
        if job := self._held.get(message.subject):
            return job.redelivered(message)
        job = self._held[message.subject] = Job(self._bus, message, self._ack_wait_s)
        self._tasks[message.subject] = asyncio.create_task(self._run(job), name=message.subject)

    def _end_pull(self, status: Msg) -> None:
        headers = status.headers or {}
        code = headers.get("Status", "")
        if code in _GONE:
            log.warning("cannot pull jobs: stream or consumer is missing (run `docqa nats`)", status=code)
            self._not_before_s = time.monotonic() + BACK_OFF_S
        if pull := self._pulls.pop(status.subject, None):
            self._asked = max(self._asked - int(headers.get("Nats-Pending-Messages", pull.batch)), 0)
        self._wake.set()

    async def _run(self, job: Job) -> None:
        try:
            await self._serve(job)
        except asyncio.CancelledError:
            await job.give_back()
        except BusError as error:
            log.warning("job given back", reason=str(error))
            await job.give_back(BACK_OFF_S)
        # A bug over one job must neither end the worker nor lose the job: it is delivered again.
        except Exception:
            log.exception("job given back after an unexpected error")
            await job.give_back(BACK_OFF_S)
        finally:
            del self._held[job.subject], self._tasks[job.subject]
            self._wake.set()

    async def _keep_all(self) -> None:
        while True:
            await asyncio.sleep(self._ack_wait_s / 3)
            await asyncio.gather(*(job.keep() for job in list(self._held.values())))

    async def _close(self, subscription: Subscription) -> None:
        # A job delivered into a closed inbox is lost until its ack wait is over: so the pulls end first.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PULL_EXPIRES_S + 1):
                await self._pulls_ended()
        # drain(), not unsubscribe(): a job in transit is still taken in, and then given back.
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py leaves it untyped

    async def _pulls_ended(self) -> None:
        while self._asked and self._bus.is_connected and not self._hurry.is_set():
            await self._wait_a_little()
