"""What the ingress learns from the announcements of workers."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from contract.messages import WorkerAnnouncement, encode
from ingress.jobs import workers
from ingress.jobs.workers import LIVE_S, Fleet


class Clock:
    """A clock that moves only when the test moves it."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def announcement(worker_id: str = "a", **members: Any) -> WorkerAnnouncement:
    plain = WorkerAnnouncement(
        id=worker_id,
        model="echo",
        slots=4,
        busy=0,
        held=0,
        jobs_per_s=1.0,
        tokens_per_s=10.0,
        memory_bytes=1,
        context_tokens=8192,
        max_prompt_bytes=1000,
    )
    return msgspec.structs.replace(plain, **members)


async def hear(fleet: Fleet, *announcements: WorkerAnnouncement) -> None:
    for each in announcements:
        await fleet.on_message(Msg(_client=Client(), subject=f"docqa.workers.{each.id}", data=encode(each)))


async def fleet_of(*jobs_per_s: float) -> Fleet:
    fleet = Fleet()
    await hear(fleet, *(announcement(str(n), jobs_per_s=rate) for n, rate in enumerate(jobs_per_s)))
    return fleet


async def test_without_a_worker_there_is_no_pace() -> None:
    assert Fleet().pace == 0


async def test_the_pace_is_that_of_all_live_workers_together() -> None:
    assert (await fleet_of(2.0, 3.0)).pace == 5


async def test_a_worker_s_announced_pace_goes_before_its_last_minute() -> None:
    fleet = Fleet()
    await hear(fleet, announcement("a", jobs_per_s=0.5, pace=6.0))
    assert fleet.pace == 6


async def test_of_a_worker_that_ended_no_job_yet_one_a_slot_and_second_is_assumed() -> None:
    assert (await fleet_of(0.0, 3.0)).pace == 4 + 3


async def test_a_worker_is_live_for_fifteen_seconds_after_each_announcement(clock: Clock) -> None:
    fleet = Fleet()
    await hear(fleet, announcement("a"))
    clock.now_s += LIVE_S
    assert [worker.id for worker in fleet.live()] == ["a"]
    await hear(fleet, announcement("a", busy=3))
    clock.now_s += LIVE_S
    assert [worker.busy for worker in fleet.live()] == [3]
    clock.now_s += 0.001
    assert fleet.live() == []
    assert fleet.pace == 0


async def test_only_the_silent_worker_expires(clock: Clock) -> None:
    fleet = Fleet()
    await hear(fleet, announcement("a", max_prompt_bytes=5000))
    clock.now_s += LIVE_S - 1
    await hear(fleet, announcement("b"))
    clock.now_s += 2
    assert [worker.id for worker in fleet.live()] == ["b"]
    assert fleet.max_prompt_bytes() == 1000


async def test_a_worker_that_leaves_is_gone_at_once() -> None:
    fleet = await fleet_of(1.0, 1.0)
    await hear(fleet, announcement("1", leaving=True), announcement("never seen", leaving=True))
    assert [worker.id for worker in fleet.live()] == ["0"]


async def test_the_largest_prompt_is_that_of_the_roomiest_worker() -> None:
    fleet = Fleet()
    assert fleet.max_prompt_bytes() is None
    await hear(fleet, announcement("a", max_prompt_bytes=10), announcement("b", max_prompt_bytes=30))
    assert fleet.max_prompt_bytes() == 30


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 100_000])
async def test_what_is_no_announcement_is_passed_over(body: bytes) -> None:
    fleet = Fleet()
    await fleet.on_message(Msg(_client=Client(), subject="docqa.workers.x", data=body))
    assert fleet.live() == []
