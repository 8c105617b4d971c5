"""One listener at a time: on a Unix socket, on an inherited descriptor."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.stack import Beside, Stack
from tests.support.waiting import eventually

StartIngress = Callable[..., Beside]


@pytest.fixture
def start_ingress(echo: Stack) -> Iterator[StartIngress]:
    """Starts further ingresses on the shared stack's bus."""
    own: list[Beside] = []

    def start_one(uds: Path, inherited: socket.socket | None = None) -> Beside:
        settings = {"DOCQA_UDS": str(uds), "DOCQA_PORT": "0"}
        prefix, passed = [], []
        if inherited:
            # What systemd does: descriptor 3 listens, and LISTEN_PID names the process that is to serve it.
            script = f'[ {inherited.fileno()} = 3 ] || exec 3<&{inherited.fileno()}; LISTEN_PID=$$ exec "$@"'
            prefix, passed = ["bash", "-c", script, "bash"], [inherited.fileno()]
            settings["LISTEN_FDS"] = "1"
        own.append(Beside(echo, "ingress", "ingress", settings, prefix))
        own[-1].start(*passed)
        return own[-1]

    yield start_one
    for ingress in own:
        ingress.destroy()


async def test_a_live_socket_is_never_taken_from_another_ingress(echo: Stack, start_ingress: StartIngress) -> None:
    path = echo.ready().uds
    inode = path.stat().st_ino
    second = start_ingress(path)
    assert second.ends() > 0
    assert "Traceback" not in second.output()
    assert path.stat().st_ino == inode
    async with echo.client() as client:
        assert (await client.ask("Who serves?")).status_code == 200


def test_a_live_socket_is_never_taken_from_a_stranger(echo: Stack, start_ingress: StartIngress) -> None:
    """Who listens need not be an ingress, nor hold a lock."""
    path = echo.folder / "strange"
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(path))
        stranger.listen()
        inode = path.stat().st_ino
        second = start_ingress(path)
        assert second.ends() > 0
        assert "Traceback" not in second.output()
        assert path.stat().st_ino == inode


async def test_a_stale_socket_file_is_replaced(echo: Stack, start_ingress: StartIngress) -> None:
    path = echo.folder / "stale"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    made = path.stat().st_ctime_ns  # inode numbers are used again
    second = start_ingress(path)
    await _serves(echo, path)
    assert path.stat().st_ctime_ns != made
    second.stop()


async def test_the_lock_lasts_as_long_as_the_process_that_serves(echo: Stack, start_ingress: StartIngress) -> None:
    """Refused while the first one serves, served after it has gone."""
    path = echo.folder / "handed"
    first = start_ingress(path)
    await _serves(echo, path)
    assert start_ingress(path).ends() > 0
    first.stop()
    last = start_ingress(path)
    await _serves(echo, path)
    last.stop()


async def test_an_inherited_descriptor_is_served_and_its_path_left_alone(
    echo: Stack, start_ingress: StartIngress
) -> None:
    """Socket activation: the listener belongs to the service manager, before, while and after it is served."""
    path = echo.folder / "activated"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)
        inode = path.stat().st_ino
        ingress = start_ingress(path, listener)
        await _serves(echo, path)
        ingress.stop()
        assert path.stat().st_ino == inode
        again = start_ingress(path, listener)
        await _serves(echo, path)
        again.stop()
        assert path.stat().st_ino == inode


async def _serves(stack: Stack, path: Path) -> None:
    """Asked on this socket, the answer comes."""
    async with stack.client(uds=path) as client:

        async def is_answered() -> bool:
            return (await client.ask("Who serves this socket?")).status_code == 200

        await eventually(is_answered, f"{path.name} is served")
