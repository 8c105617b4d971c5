"""An ingress that is stopped while clients wait."""

import asyncio
import signal
from typing import Any

from contract import topology
from tests.support.client import Client, located_id
from tests.support.ledger import Ledger, answered
from tests.support.stack import Start
from tests.support.waiting import eventually


async def test_on_sigterm_every_waiting_request_gets_202_and_its_answer_later(start: Start) -> None:
    """Nothing is cancelled: the same ids are done after the restart."""
    stack = start(queue_size=20, slots=4, echo_delay_s=1.5)
    ledger = Ledger()
    async with stack.client() as client, stack.bus() as bus:

        async def all_are_stored() -> bool:
            return (await bus.js.stream_info(topology.JOBS_STREAM)).state.messages == 8

        waiting = [asyncio.create_task(client.ask(f"Question {n}?")) for n in range(8)]
        await eventually(all_are_stored, "eight jobs wait")
        old = stack.signal("ingress", signal.SIGTERM)
        responses = await asyncio.gather(*waiting)
        assert [response.status_code for response in responses] == [202] * 8
        for response in responses:
            ledger.note(response)

        await stack.alive("ingress", not_pid=old)
        async with stack.client() as again:
            jobs = [await _finished(again, located_id(response)) for response in responses]
        assert [job["status"] for job in jobs] == ["done"] * 8
        answered(await ledger.settled(bus), ledger.accepted)


async def test_a_killed_ingress_leaves_a_socket_that_its_successor_replaces(start: Start) -> None:
    stack = start(queue_size=20)
    before = stack.ready().uds.stat().st_ctime_ns
    await stack.alive("ingress", not_pid=await stack.kill("ingress"))
    async with stack.client() as client:
        await eventually(lambda: _is_answered(client), "the new ingress answers")
    assert stack.ready().uds.stat().st_ctime_ns != before


async def _finished(client: Client, job_id: str) -> dict[str, Any]:
    async def probe() -> dict[str, Any] | None:
        # The new ingress may not be listening yet, or not be connected to the bus.
        response = await client.http.get(f"/api/jobs/{job_id}")
        job: dict[str, Any] = response.json() if response.status_code == 200 else {}
        return job if job.get("status") in ("done", "failed") else None

    return await eventually(probe, f"job {job_id} finished")


async def _is_answered(client: Client) -> bool:
    return (await client.ask("Who is there?")).status_code == 200
