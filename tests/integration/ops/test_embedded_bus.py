"""`docqa nats` as a process: what it leaves when it is stopped, killed, or loses its server."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.targets.free_ports import free_port
from contract import topology
from contract.settings import QueueSettings
from contract.topology import JobName
from ops.nats import disk
from ops.nats.server import NatsServer
from ops.supervisor.supervisor import StartError
from tests.support.nats_command import WITHIN_S, NatsCommand, until
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually

JOB = JobName("http", "tests", "00000000-0000-7000-8000-000000000001")
OTHER_JOB = JobName("http", "tests", "00000000-0000-7000-8000-000000000002")


def is_gone(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


@pytest.fixture
def running(tmp_path: Path) -> Iterator[NatsCommand]:
    command = NatsCommand(tmp_path)
    command.start()
    yield command
    command.end()


async def test_jobs_outlive_a_stop_which_leaves_no_process(running: NatsCommand) -> None:
    async with running.bus() as bus:
        await bus.publish_job(JOB, b"{}", {})
    server = running.server()
    running.end()
    assert running.process.returncode == 0
    assert is_gone(server)
    assert not running.ready_file.exists()
    running.start()
    async with running.bus() as bus:
        assert await bus.find_job(JOB)


async def test_a_killed_server_comes_back_at_the_same_address(running: NatsCommand) -> None:
    before = running.ready()
    async with running.bus() as bus:
        await bus.publish_job(JOB, b"{}", {})
    running.server().kill()
    until(lambda: running.ready()["pids"] != before["pids"])
    assert running.ready()["nats_url"] == before["nats_url"]
    async with running.bus() as bus:
        assert await bus.find_job(JOB)


async def test_a_server_that_stores_nothing_more_is_started_again_and_keeps_what_it_had(running: NatsCommand) -> None:
    """One write that fails is enough: the stream would refuse all later ones."""
    server = running.server()
    async with running.bus() as bus:
        await bus.publish_job(JOB, b"{}", {})
        server.rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))
        await bus.publish(OTHER_JOB.subject, b"{}")
        await bus.client.flush()
    until(lambda: running.ready()["pids"]["nats"] != server.pid)
    async with running.bus() as bus:
        assert await bus.find_job(JOB)
        await bus.publish_job(OTHER_JOB, b"{}", {})
        assert (await bus.queue_state()).depth == 2


async def test_a_server_that_only_fails_to_remove_what_is_acked_is_started_again(running: NatsCommand) -> None:
    """Without a publish, the server's own health check would never notice."""
    server = running.server()
    async with running.bus() as bus:
        await bus.publish_job(JOB, b"{}", {})
        await bus.publish_job(OTHER_JOB, b"{}", {})
        server.rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))
        jobs = await bus.js.pull_subscribe_bind(topology.WORKER_DURABLE, topology.JOBS_STREAM)

        async def are_gone() -> object:
            with contextlib.suppress(TimeoutError):
                for message in await jobs.fetch(2, timeout=0.2):
                    await message.ack()
            return running.ready()["pids"]["nats"] != server.pid and (await bus.queue_state()).depth == 0

        await eventually(are_gone, "a new server has removed them", WITHIN_S)


async def test_without_room_no_server_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "ROOM_BYTES", 2**62)
    with pytest.raises(StartError, match=r"The disk is too full for the message bus: .* MiB free\."):
        await NatsServer(tmp_path, QueueSettings()).launch()
    assert not list(tmp_path.glob("nats/*")), "something was begun"


def test_killed_itself_it_leaves_no_server_and_starts_again_at_once(running: NatsCommand) -> None:
    server = running.server()
    running.process.kill()
    running.process.wait(WITHIN_S)
    running.start()
    assert is_gone(server)
    assert running.server().pid != server.pid


def test_the_service_manager_hears_of_a_bus_that_lives_and_misses_one_that_stands_still(tmp_path: Path) -> None:
    """On the port that DOCQA_NATS_PORT names, as systemd runs it."""
    command, port = NatsCommand(tmp_path), str(free_port())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address := f"\0docqa-test-{port}")
        manager.settimeout(WITHIN_S)
        environment = {"NOTIFY_SOCKET": address.replace("\0", "@"), "WATCHDOG_USEC": "600000", "DOCQA_NATS_PORT": port}
        command.start(**environment)
        try:
            assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"WATCHDOG=1"]
            assert command.ready()["nats_url"] == f"nats://127.0.0.1:{port}"
            command.server().suspend()
            manager.settimeout(2.0)
            with contextlib.suppress(TimeoutError):
                for _ in range(10):
                    manager.recv(100)
                pytest.fail("a server that stands still passes for one that lives")
            command.server().resume()
            manager.settimeout(WITHIN_S)
            assert manager.recv(100) == b"WATCHDOG=1"
        finally:
            command.end()


def test_a_second_one_on_the_same_folder_names_the_first(running: NatsCommand) -> None:
    second = subprocess.run(running.command(), capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"Process {running.process.pid} already runs on" in second.stderr
    assert running.ready_file.exists()


def test_what_it_keeps_is_its_owners_alone(running: NatsCommand) -> None:
    assert running.data_dir.stat().st_mode & 0o777 == 0o700
    assert (running.data_dir / "nats" / "nats-server.conf").stat().st_mode & 0o777 == 0o600


def test_a_server_that_somebody_else_runs_is_provisioned_and_left_running(bare_server: RunningServer) -> None:
    environment = {
        **os.environ,
        "DOCQA_NATS_URL": bare_server.url,
        "DOCQA_NATS_PASSWORD_FILE": str(bare_server.credentials.path("admin")),
    }
    command = [sys.executable, "-m", "ops", "nats", "--json"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (found.returncode, json.loads(found.stdout)) == (0, {"nats_url": bare_server.url})
