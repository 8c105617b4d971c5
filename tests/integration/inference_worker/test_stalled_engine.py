"""A real worker process whose engine stalls: what it reports, how it ends, and that its jobs are delivered again."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from contract.bus import Bus
from contract.messages import Answer
from contract.topology import JobName
from inference_worker.engines.echo import EchoEngine
from inference_worker.jobs.attempts import Starts
from inference_worker.monitoring.watchdog import STALLED_STATUS
from tests.support.bus_side import is_gone, new_job, publish, result_of, starts_are_forgotten
from tests.support.nats_server import RunningServer
from tests.support.processes import environment
from tests.support.waiting import eventually
from tests.support.worker_side import working

STALL_S = 2.0
ENDS_WITHIN_S = 20.0


class Standing:
    """The process, and the address of its pages."""

    def __init__(self, process: Process, address: str) -> None:
        self.process = process
        self.address = address

    async def ready(self) -> tuple[int, dict[str, str]]:
        return await self._page("/health/ready")

    async def live(self) -> tuple[int, dict[str, str]]:
        return await self._page("/health/live")

    async def becomes_unready(self, reason: str) -> None:
        async def probe() -> bool:
            status, page = await self.ready()
            return status == 503 and page["reason"].startswith(reason)

        await eventually(probe, f"it is not ready: {reason}", every_s=0.02)

    async def _page(self, path: str) -> tuple[int, dict[str, str]]:
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.get(f"http://{self.address}{path}")
        return response.status_code, response.json()


@contextlib.asynccontextmanager
async def standing(server: RunningServer, mode: str, **extra: str) -> AsyncIterator[Standing]:
    """Once it takes jobs; killed at the end, if it has not ended before."""
    ready_file = server.folder / "standing.json"
    settings = {
        "DOCQA_NATS_URL": server.url,
        "DOCQA_NATS_PASSWORD": server.credentials.read("worker"),
        "DOCQA_METRICS_ADDR": "127.0.0.1:0",
        "DOCQA_STALL_S": f"{STALL_S:g}",
        "DOCQA_TUNE": "off",
        "DOCQA_ACK_WAIT_S": f"{server.settings.ack_wait_s:g}",
        **extra,
    }
    command = [sys.executable, "-m", "tests.support.standing_worker", mode, "--ready-file", str(ready_file)]
    process = await asyncio.create_subprocess_exec(*command, env=environment(server.folder, settings), stderr=PIPE)

    async def is_ready() -> bytes:
        assert process.returncode is None
        return ready_file.read_bytes() if ready_file.exists() else b""

    try:
        ready = msgspec.json.decode(await eventually(is_ready, "the worker is ready"))
        yield Standing(process, ready["metrics"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def ended(worker: Standing) -> tuple[int, str]:
    """Its status, and what it wrote."""
    _, log = await asyncio.wait_for(worker.process.communicate(), ENDS_WITHIN_S)
    assert worker.process.returncode is not None
    return worker.process.returncode, log.decode()


class Manager:
    """Listens where systemd would, and expects a sign of life every second."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.words: list[str] = []
        self.environment = {
            "NOTIFY_SOCKET": f"@{listening.getsockname()[1:].decode()}",
            "WATCHDOG_USEC": "1000000",
        }

    def hear(self) -> None:
        self.words.append(self._listening.recv(100).decode())


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0docqa-test-{os.getpid()}-{tmp_path.name}")
        listening.setblocking(False)
        manager = Manager(listening)
        # At once: a few words fill the socket, and what comes then is lost.
        loop.add_reader(listening, manager.hear)
        yield manager
        loop.remove_reader(listening)


async def is_started(bus: Bus, job: JobName) -> None:
    async def probe() -> int:
        return (await Starts(bus.starts).of(job)).total

    await eventually(probe, f"{job.key} is started", every_s=0.01)


async def test_a_worker_that_is_stopped_while_the_bus_is_away_ends_as_it_should(server: RunningServer) -> None:
    """With status 0 and without a traceback: the end of its subscription cannot be sent to a bus that is gone."""
    async with standing(server, "never") as worker:
        server.stop(signal.SIGKILL)
        await worker.becomes_unready("")
        worker.process.terminate()
        status, log = await ended(worker)
    assert status == 0, log
    assert "Traceback" not in log


async def test_a_step_that_hangs_ends_the_process_and_its_jobs_come_again(hasty_server: RunningServer) -> None:
    job = new_job()
    async with hasty_server.bus() as admin:
        async with standing(hasty_server, "step") as worker:
            assert await worker.ready() == (200, {"status": "ready"})
            await publish(admin, "Who?", job)
            asked_s = time.monotonic()
            status, log = await ended(worker)
        assert status == STALLED_STATUS
        # Not earlier: a step that only takes long must be let be.
        assert time.monotonic() - asked_s >= STALL_S / 2
        [line] = [line for line in log.splitlines() if "the model completes no steps" in line]
        assert job.subject in line
        assert "Who?" not in log
        async with working(hasty_server, EchoEngine(2), ack_wait_s=hasty_server.settings.ack_wait_s):
            assert isinstance(await result_of(admin, job), Answer)
            await is_gone(admin, job)
            await starts_are_forgotten(admin)


async def test_a_drain_from_a_step_that_hangs_ends_too(server: RunningServer, admin: Bus) -> None:
    async with standing(server, "step") as worker:
        await is_started(admin, await publish(admin))
        worker.process.send_signal(signal.SIGTERM)
        assert (await ended(worker))[0] == STALLED_STATUS


async def test_a_step_that_hangs_shows_before_the_process_ends(server: RunningServer, admin: Bus) -> None:
    # Half of it is left for the look at the page.
    async with standing(server, "step", DOCQA_STALL_S="6") as worker:
        await publish(admin)
        await worker.becomes_unready("The model has completed no step for ")
        assert await worker.live() == (200, {"status": "live"})


async def test_a_loop_that_hangs_gives_no_sign_of_life_and_shows(
    server: RunningServer, admin: Bus, manager: Manager
) -> None:
    async with standing(server, "loop", **manager.environment) as worker:
        await publish(admin)
        await worker.becomes_unready("The worker's event loop has been blocked for ")
        heard = len(manager.words)
        assert await worker.live() == (200, {"status": "live"})
        await asyncio.sleep(1)
        assert len(manager.words) == heard


async def test_the_service_manager_is_told_of_the_start_of_progress_and_of_the_end(
    server: RunningServer, manager: Manager
) -> None:
    async with standing(server, "never", **manager.environment) as worker:

        async def is_alive() -> bool:
            return manager.words[-2:] == ["WATCHDOG=1"] * 2

        await eventually(is_alive, "it gives signs of life")
        worker.process.send_signal(signal.SIGTERM)
        assert (await ended(worker))[0] == 0
    said = [word for word in manager.words if word != "WATCHDOG=1"]
    assert said == ["READY=1", "STOPPING=1"]


async def test_a_worker_without_its_bus_is_not_ready(server: RunningServer) -> None:
    async with standing(server, "never") as worker:
        server.stop()
        await worker.becomes_unready("The bus is not connected.")
        server.start()

        async def is_ready() -> bool:
            return (await worker.ready())[0] == 200

        await eventually(is_ready, "it is ready again")


async def test_a_process_that_was_stopped_in_a_step_for_longer_than_the_limit_goes_on(
    server: RunningServer, admin: Bus
) -> None:
    """It is no fault of the model's."""
    async with standing(server, "slow") as worker:
        job = await publish(admin)
        await is_started(admin, job)
        worker.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1.5 * STALL_S)
        worker.process.send_signal(signal.SIGCONT)
        assert isinstance(await result_of(admin, job), Answer)
        worker.process.send_signal(signal.SIGTERM)
        assert (await ended(worker))[0] == 0
