"""The bus from outside, for tests: publishes jobs, reads stored results, pauses the server."""

import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError
from uuid_utils import uuid7

from contract import topology
from contract.bus import Bus
from contract.errors import StoreFullError
from contract.messages import DeadLetter, Query, Result, decode_result, encode
from contract.topology import JobName
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually

TICK_S = 0.01
NOT_THERE_S = 0.2
"""How long a test watches for what must not happen."""


def new_job(publisher: str = "alice", client: str = "c1") -> JobName:
    return JobName(publisher, client, str(uuid7()))


async def publish(bus: Bus, query: str = "Who?", job: JobName | None = None, **fields: Any) -> JobName:
    """Store a job for `query`; its name."""
    job = job or new_job()
    await bus.publish_job(job, encode(Query(query=query, **fields)), {})
    return job


async def result_of(bus: Bus, job: JobName) -> Result:
    """The job's stored result, once there is one."""
    entry = await eventually(lambda: bus.results.get(job.key), f"{job.key} has a result", 15, TICK_S)
    assert entry
    return decode_result(entry.value)


async def count(bus: Bus, stream: str) -> int:
    return (await bus.js.stream_info(stream)).state.messages


async def is_gone(bus: Bus, job: JobName) -> None:
    """Wait until the job has left the stream."""

    async def probe() -> bool:
        return await bus.find_job(job) is None

    await eventually(probe, f"{job.key} is off the stream", 15, TICK_S)


async def starts_are_forgotten(bus: Bus) -> None:
    """Wait until no count of starts is left, nor a marker of one."""

    async def probe() -> bool:
        return await count(bus, f"KV_{topology.STARTS_BUCKET}") == 0

    await eventually(probe, "no count of starts is left", 15, TICK_S)


async def dead_letters(bus: Bus) -> dict[str, DeadLetter]:
    """All dead letters, by subject, where each has a subject of its own."""
    letters: dict[str, DeadLetter] = {}
    state = (await bus.js.stream_info(topology.DEAD_STREAM)).state
    for seq in range(max(state.first_seq, 1), state.last_seq + 1):
        with contextlib.suppress(NotFoundError):
            message = await bus.js.get_msg(topology.DEAD_STREAM, seq=seq)
            assert message.subject not in letters
            letters[str(message.subject)] = msgspec.json.decode(message.data or b"", type=DeadLetter)
    return letters


async def fill_results(bus: Bus) -> None:
    """Leave no room for another result."""
    for size in (1000, 100, 1):
        with contextlib.suppress(StoreFullError):
            for number in itertools.count():
                await bus.results.create(f"filler.{size}.{number}", b"x" * size)


@contextlib.asynccontextmanager
async def overheard(bus: Bus, subject: str) -> AsyncIterator[list[Msg]]:
    """All that is said on a subject while the block runs."""
    heard: list[Msg] = []

    async def hear(message: Msg) -> None:
        heard.append(message)

    subscription = await bus.client.subscribe(subject, cb=hear)
    await settled(bus)
    yield heard
    await settled(bus)
    # Only now is all that was said taken in.
    await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py leaves it untyped


async def settled(bus: Bus) -> None:
    """Wait until the server has all that this connection sent, and this connection all that was sent to it before.

    Not `client.flush()`: its ping overtakes what is still buffered.
    """
    await bus.results.get("http.nobody.nothing")


@contextlib.asynccontextmanager
async def paused(server: RunningServer) -> AsyncIterator[None]:
    """SIGSTOP the server for the time of a block."""
    assert server._process
    pid = server._process.pid

    async def stands_still() -> bool:
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
        return set(states) == {"T"}

    os.kill(pid, signal.SIGSTOP)
    try:
        await eventually(stands_still, "the server stands still", 10, TICK_S)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def until_connected(bus: Bus, *, is_connected: bool = True) -> None:
    async def probe() -> bool:
        return bus.is_connected is is_connected

    await eventually(probe, f"connected is {is_connected}", 15, TICK_S)
