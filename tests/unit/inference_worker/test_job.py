"""One held job, without a bus."""

import asyncio

from nats.aio.client import Client
from nats.aio.msg import Msg

from contract.bus import Bus
from inference_worker.jobs.job import Job

REPLY = "$JS.ACK.DOCQA_JOBS.worker.1.17.21.1764000000500000000.0"


def job(**members: object) -> Job:
    message = Msg(_client=Client(), subject="docqa.jobs.alice.c1.x", reply=REPLY, data=b"{}")
    for name, value in members.items():
        setattr(message, name, value)
    return Job(Bus(), message, ack_wait_s=30.0)


async def generation() -> "asyncio.Task[bool]":
    """One that has begun and does not end."""
    task = asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    return task


async def test_a_delivery_tells_when_and_where_the_stream_stored_the_job() -> None:
    assert (job().stream_seq, job().accepted_s) == (17, 1_764_000_000.5)
    assert not job().is_stale


async def test_a_message_without_headers_has_none() -> None:
    assert job().headers == {}
    assert job(headers={"traceparent": "x"}).headers == {"traceparent": "x"}


async def test_a_cancel_stops_what_was_begun() -> None:
    held, running = job(), await generation()
    held.begin(running)
    held.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert held.is_cancelled


async def test_a_cancel_that_came_before_stops_what_begins() -> None:
    """It may come while the start is being counted."""
    held, running = job(), await generation()
    held.cancel()
    held.begin(running)
    await asyncio.wait([running])
    assert running.cancelled()


async def test_acks_that_cant_be_sent_are_let_be() -> None:
    """The job comes again, and its result is there."""
    held = job()
    connecting = asyncio.create_task(held._bus.client.connect("nats://127.0.0.1:1", pending_size=0))
    await asyncio.sleep(0)
    for say in (held.ack(), held.terminate(), held.give_back(), held.give_back(1.5), held.keep()):
        await say
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
