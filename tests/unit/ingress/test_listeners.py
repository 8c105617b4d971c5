"""The sockets that the ingress serves, and the lock that makes it the only one."""

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.errors import AlreadyRunningError, SettingsError
from contract.settings import load
from ingress.server.listeners import count_inherited, held_lock, listening, split_address, tcp_listener, unix_listener
from ingress.settings import IngressSettings


@pytest.fixture
def folder() -> Iterator[Path]:
    """A Unix socket's path ends at 107 bytes: pytest's own folders are too long."""
    folder = Path(tempfile.mkdtemp(prefix="dq"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "sock"


def settings(path: Path, **changes: str) -> IngressSettings:
    return load(
        IngressSettings, {"DOCQA_UDS": str(path), "DOCQA_PORT": "0", "DOCQA_METRICS_ADDR": "127.0.0.1:0", **changes}
    )


def reach(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def bind(path: Path) -> socket.socket:
    """Another program's socket, without our lock."""
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(path))
    return other


def test_the_socket_is_served_for_the_group_while_the_block_runs_and_gone_after(path: Path) -> None:
    with unix_listener(path):
        reach(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()


def test_missing_folders_are_made(folder: Path) -> None:
    with unix_listener(folder / "a" / "b" / "sock"):
        reach(folder / "a" / "b" / "sock")


def test_a_stale_file_is_replaced(path: Path) -> None:
    bind(path).close()
    assert path.is_socket()
    with unix_listener(path):
        reach(path)


def test_a_live_socket_is_refused_and_left_as_it_is(path: Path) -> None:
    with bind(path) as other:
        other.listen()
        with pytest.raises(AlreadyRunningError, match="Another process serves"), unix_listener(path):
            pass
        reach(path)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_not_a_socket_is_refused_and_left_as_it_is(path: Path, kind: str) -> None:
    path.write_text("precious") if kind == "file" else path.mkdir()
    with pytest.raises(SettingsError, match=r"DOCQA_UDS: .* is not a socket"), unix_listener(path):
        pass
    assert path.exists()


def test_a_datagram_socket_is_refused_in_a_sentence(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        with pytest.raises(SettingsError, match="DOCQA_UDS"), unix_listener(path):
            pass


def test_a_lock_that_is_held_names_its_holder(path: Path) -> None:
    with unix_listener(path):
        with pytest.raises(AlreadyRunningError, match=rf"process {os.getpid()}\b"), unix_listener(path):
            pass
        reach(path)


def test_a_lock_lasts_as_long_as_its_block(folder: Path) -> None:
    lock = folder / "lock"
    lock.write_text("a longer text than any process id")
    for _ in range(2):
        with held_lock(lock):
            assert lock.read_text() == f"{os.getpid()}\n"


def test_where_a_folder_or_a_lock_cant_be_made_the_sentence_names_the_setting(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(SettingsError, match=r"DOCQA_UDS: can't make"), unix_listener(folder / "file" / "sock"):
        pass
    (folder / "sock.lock").mkdir()
    with pytest.raises(SettingsError, match=r"DOCQA_UDS: can't open the lock"), unix_listener(folder / "sock"):
        pass


def test_a_socket_that_took_our_place_is_left_at_the_end(path: Path) -> None:
    with unix_listener(path):
        path.unlink()
        other = bind(path)
    with other:
        other.listen()
        reach(path)


def test_a_path_that_is_too_long_is_told_in_bytes(folder: Path) -> None:
    longest = folder / ("s" * (107 - len(str(folder)) - 1))
    with unix_listener(settings(longest).uds):
        reach(longest)
    with pytest.raises(SettingsError, match=r"^DOCQA_UDS is longer than the 107 bytes"):
        settings(longest.with_name(longest.name + "s"))


def test_both_doors_and_the_metrics_are_open_and_tell_where(path: Path) -> None:
    with listening(settings(path), inherited=0) as listeners:
        assert listeners.address(socket.AF_UNIX) == str(path)
        host, port = str(listeners.address(socket.AF_INET)).split(":")
        for address in ((host, int(port)), listeners.metrics.getsockname()):
            socket.create_connection(address, timeout=5).close()
        assert listeners.all == [*listeners.api, listeners.metrics]
        assert not [one for one in listeners.all if one.getblocking()]
        assert listeners.address(socket.AF_INET6) is None
    assert not path.exists()
    assert {one.fileno() for one in listeners.all} == {-1}


@pytest.mark.parametrize("name", ["DOCQA_PORT", "DOCQA_METRICS_ADDR"])
def test_a_port_that_is_taken_stops_the_start_and_leaves_nothing_open(path: Path, name: str) -> None:
    with tcp_listener("127.0.0.1", 0, "OTHER") as other:
        port = other.getsockname()[1]
        taken = settings(path, **{name: f"127.0.0.1:{port}" if name == "DOCQA_METRICS_ADDR" else str(port)})
        expected = rf"^{name}: can't listen on 127.0.0.1:{port}"
        with pytest.raises(SettingsError, match=expected), listening(taken, inherited=0):
            pass
    assert not path.exists()
    with listening(settings(path), inherited=0):
        pass


def test_an_address_that_is_not_ours_is_told() -> None:
    with pytest.raises(SettingsError, match=r"^DOCQA_PORT: can't listen on 203\.0\.113\.1:0"):
        tcp_listener("203.0.113.1", 0, "DOCQA_PORT")


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:9108", ("127.0.0.1", 9108)),
        (":0", ("127.0.0.1", 0)),
        ("[::1]:80", ("::1", 80)),
        ("box:65535", ("box", 65535)),
    ],
)
def test_an_address_has_a_host_and_a_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address, "NAME") == parts


@pytest.mark.parametrize("address", ["", "box", "box:", "box:http", "box:65536", "box:-1", "box:8 0"])
def test_what_is_no_address_is_refused_by_its_settings_name(address: str) -> None:
    with pytest.raises(SettingsError, match=r"^NAME: expected HOST:PORT"):
        split_address(address, "NAME")


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({}, 0),
        ({"LISTEN_FDS": "2"}, 0),
        ({"LISTEN_PID": "41", "LISTEN_FDS": "2"}, 0),
        ({"LISTEN_PID": "42"}, 0),
        ({"LISTEN_PID": "42", "LISTEN_FDS": "2"}, 2),
    ],
)
def test_sockets_are_inherited_only_by_the_process_that_they_are_meant_for(
    environment: dict[str, str], count: int
) -> None:
    assert count_inherited(environment, 42) == count


def test_a_number_of_sockets_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="LISTEN_FDS"):
        count_inherited({"LISTEN_PID": "42", "LISTEN_FDS": "two"}, 42)
