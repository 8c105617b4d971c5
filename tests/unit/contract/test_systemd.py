"""The notifications that the service manager receives, on a socket as systemd makes it."""

import math
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from contract.runtime.systemd import Notifier

PID = 4711


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@docqa-test-{uuid4()}"


@pytest.fixture
def manager(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        listening.setblocking(False)
        yield listening


def heard(manager: socket.socket) -> list[bytes]:
    words = []
    while True:
        try:
            words.append(manager.recv(100))
        except BlockingIOError:
            return words


def notifier(**environment: str) -> Notifier:
    return Notifier.from_environment(environment, PID)


def test_it_says_when_it_is_ready_alive_and_stopping(address: str, manager: socket.socket) -> None:
    said = notifier(NOTIFY_SOCKET=address, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(PID))
    said.ready()
    said.alive()
    said.stopping()
    assert heard(manager) == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    assert said.watchdog_s == 30


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}],
    ids=["none", "zero", "no number", "another's"],
)
def test_where_no_sign_of_life_is_waited_for_none_is_sent(
    address: str, manager: socket.socket, environment: dict[str, str]
) -> None:
    said = notifier(NOTIFY_SOCKET=address, **environment)
    said.alive()
    said.ready()
    assert heard(manager) == [b"READY=1"]
    assert said.watchdog_s == math.inf


def test_a_watchdog_that_names_no_process_is_ours(address: str, manager: socket.socket) -> None:
    notifier(NOTIFY_SOCKET=address, WATCHDOG_USEC="500000").alive()
    assert heard(manager) == [b"WATCHDOG=1"]


def test_where_nobody_listens_it_goes_on(tmp_path: Path) -> None:
    notifier().ready()
    notifier(NOTIFY_SOCKET=str(tmp_path / "gone")).ready()


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.bind(path)
        for _ in range(10_000):
            notifier(NOTIFY_SOCKET=path).ready()
