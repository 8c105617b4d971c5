"""Servers with other settings than the defaults."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.bus import Bus
from contract.settings import QueueSettings
from inference_worker.jobs import consumer
from tests.support.nats_server import RunningServer

ACK_WAIT_S = 0.5


@pytest.fixture(autouse=True)
def short_pulls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer that stops waits for the end of its pulls."""
    monkeypatch.setattr(consumer, "PULL_EXPIRES_S", 0.1)


@pytest.fixture
async def admin(server: RunningServer) -> AsyncIterator[Bus]:
    async with server.bus() as bus:
        yield bus


@pytest.fixture
async def hasty_server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """One that gives a job to another worker after half a second."""
    server = RunningServer(tmp_path, QueueSettings(ack_wait_s=ACK_WAIT_S))
    server.start()
    await server.provision()
    yield server
    server.stop()


@pytest.fixture
async def small_server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """One whose queue takes two jobs and whose results bucket takes hardly anything."""
    server = RunningServer(tmp_path, QueueSettings(max_queue_size=2, results_max_bytes=1500))
    server.start()
    await server.provision()
    yield server
    server.stop()
