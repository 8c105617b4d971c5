"""Workers that stand still, and two that share the one durable."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract.bus import Bus
from tests.support.client import Client
from tests.support.ledger import Ledger, answered, dead_letters, is_running
from tests.support.stack import Beside, Stack, Start
from tests.support.waiting import eventually

ACK_WAIT_S = 2.0
LONGER_THAN_ACK_WAIT_S = 2 * ACK_WAIT_S


async def test_a_worker_paused_for_longer_than_the_ack_wait_loses_nothing(start: Start) -> None:
    stack = start(queue_size=20, slots=4, echo_delay_s=0.5, ack_wait_s=ACK_WAIT_S)
    async with stack.client() as client, stack.bus() as bus:
        ledger = await _filled(client, 12)
        await is_running(bus, at_least=4)
        async with stack.paused("worker") as pid:
            await asyncio.sleep(LONGER_THAN_ACK_WAIT_S)
        await _all_answered_once(bus, ledger)
    assert stack.pid("worker") == pid


Pair = tuple[Stack, Beside]


@pytest.fixture
def start_pair(start: Start) -> Iterator[Callable[[float], Pair]]:
    """Starts a stack, and a second worker on its durable."""
    with contextlib.ExitStack() as own:

        def start_two(echo_delay_s: float) -> Pair:
            stack = start(queue_size=40, slots=4, echo_delay_s=echo_delay_s, ack_wait_s=ACK_WAIT_S)
            settings = {
                "DOCQA_ENGINE": "echo",
                "DOCQA_ECHO_DELAY_S": f"{echo_delay_s:g}",
                "DOCQA_SLOTS": "4",
                "DOCQA_ACK_WAIT_S": f"{ACK_WAIT_S:g}",
            }
            second = Beside(stack, "inference_worker", "worker", settings)
            second.start()
            own.callback(second.destroy)
            return stack, second

        yield start_two


async def test_two_workers_share_the_jobs(start_pair: Callable[[float], Pair]) -> None:
    stack, second = start_pair(0.5)
    async with stack.client() as client, stack.bus() as bus:
        await _both_are_seen(client)
        ledger = await _filled(client, 24)
        await _all_answered_once(bus, ledger)
    first_did = _counted(await stack.metrics("worker"), "docqa_jobs_completed_total")
    second_did = _counted(await second.metrics(), "docqa_jobs_completed_total")
    assert first_did >= 1
    assert second_did >= 1
    assert first_did + second_did == 24
    second.stop()


async def test_what_a_paused_worker_holds_is_finished_by_the_other(start_pair: Callable[[float], Pair]) -> None:
    stack, second = start_pair(0.5)
    async with stack.client() as client, stack.bus() as bus:
        await _both_are_seen(client)
        ledger = await _filled(client, 24)
        await is_running(bus, at_least=5)  # more than one worker's slots: both hold jobs
        second.process.send_signal(signal.SIGSTOP)
        await _all_answered_once(bus, ledger)
        second.process.send_signal(signal.SIGCONT)
        ledger.accepted.add(await client.submit("Who is awake again?"))
        await _all_answered_once(bus, ledger)
    second.stop()


async def test_a_job_that_runs_for_longer_than_the_ack_wait_is_started_once(
    start_pair: Callable[[float], Pair],
) -> None:
    """Its worker keeps saying that it is at it: no other worker gets it meanwhile."""
    stack, second = start_pair(LONGER_THAN_ACK_WAIT_S)
    async with stack.client() as client, stack.bus() as bus:
        await _both_are_seen(client)
        ledger = await _filled(client, 3)
        await _all_answered_once(bus, ledger)
    pages = (await stack.metrics("worker"), await second.metrics())
    assert sum(_counted(page, "docqa_jobs_started_total") for page in pages) == 3
    second.stop()


async def _filled(client: Client, count: int) -> Ledger:
    ledger = Ledger()
    for number in range(count):
        ledger.note(await client.post(f"Question {number}?"))
    assert len(ledger.accepted) == count
    return ledger


async def _all_answered_once(bus: Bus, ledger: Ledger) -> None:
    results = await ledger.settled(bus)
    answered(results, ledger.accepted)
    assert not await dead_letters(bus)


async def _both_are_seen(client: Client) -> None:
    async def probe() -> bool:
        return len((await client.health())["workers"]) == 2

    await eventually(probe, "/health shows two workers")


def _counted(page: str, name: str) -> int:
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == name:
                return int(sample.value)
    raise AssertionError(f"no {name} in {page}")
