"""The worker's pages over HTTP, and what a client on that port can't do to it."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from contract.errors import SettingsError
from contract.runtime import status_server
from contract.runtime.status_server import MAX_CONNECTIONS, StatusServer
from inference_worker.monitoring import metrics

TIMEOUT_S = 20.0
SHORT_S = 0.3


class Worker:
    """Says why it is not ready."""

    not_ready_reason: str | None = None


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def server(worker: Worker) -> Iterator[StatusServer]:
    with StatusServer("127.0.0.1:0", lambda: worker.not_ready_reason) as server:
        yield server


def ask(server: StatusServer, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    with contextlib.closing(http.client.HTTPConnection(server.address, timeout=TIMEOUT_S)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def connect(server: StatusServer) -> socket.socket:
    host, _, port = server.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=TIMEOUT_S)


def said(connection: socket.socket) -> bytes:
    """All that is answered until the connection ends."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_metrics_are_shown_as_prometheus_reads_them(server: StatusServer) -> None:
    metrics.SLOTS.set(7)
    status, headers, page = ask(server, "/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=1.0.0; charset=utf-8")
    assert b"\ndocqa_slots 7.0\n" in page
    assert int(headers["content-length"]) == len(page)


def test_a_process_that_is_up_is_live_whatever_hinders_it(server: StatusServer, worker: Worker) -> None:
    worker.not_ready_reason = "The model is being loaded."
    assert ask(server, "/health/live")[::2] == (200, b'{"status":"live"}')


def test_a_worker_is_ready_when_nothing_hinders(server: StatusServer, worker: Worker) -> None:
    worker.not_ready_reason = "The bus is not connected."
    status, headers, page = ask(server, "/health/ready")
    assert (status, headers["content-type"]) == (503, "application/json")
    assert page == b'{"status": "unready", "reason": "The bus is not connected."}'
    worker.not_ready_reason = None
    assert ask(server, "/health/ready")[::2] == (200, b'{"status":"ready"}')


def test_a_query_string_changes_nothing(server: StatusServer) -> None:
    assert ask(server, "/health/live?verbose=1")[0] == 200


def test_head_is_answered_as_get_without_the_page(server: StatusServer) -> None:
    status, headers, page = ask(server, "/metrics", "HEAD")
    assert (status, page) == (200, b"")
    assert int(headers["content-length"]) > 100


@pytest.mark.parametrize("path", ["/", "/health", "/metrics/", "/metricsx", "//metrics", "http://x/metrics"])
def test_there_is_nothing_else(server: StatusServer, path: str) -> None:
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", "GETS"])
def test_other_methods_are_refused(server: StatusServer, method: str) -> None:
    status, headers, _ = ask(server, "/metrics", method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"\xff\x00 \xff \xff\r\n\r\n", 405),
        (b"GET \xff\x00 HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000, 431),
        (b"x" * 20_000, 431),
    ],
    ids=["blank", "two words", "binary", "binary path", "long header", "long line"],
)
def test_what_is_no_request_is_refused(server: StatusServer, request_: bytes, status: int) -> None:
    with connect(server) as connection:
        connection.sendall(request_)
        # What was sent beyond the bound may reset the connection before its answer is read.
        assert said(connection).startswith(f"HTTP/1.1 {status} ".encode()) or status == 431
    assert ask(server, "/health/live")[0] == 200


def test_one_that_sends_nothing_is_ended(server: StatusServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_server, "REQUEST_S", SHORT_S)
    with connect(server) as connection:
        assert said(connection) == b""


def test_one_that_sends_a_byte_now_and_then_is_ended_all_the_same(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_server, "REQUEST_S", SHORT_S)
    with connect(server) as connection, pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
        drip(connection)


def test_one_that_does_not_read_its_answer_is_ended(server: StatusServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_server, "REQUEST_S", SHORT_S)
    monkeypatch.setattr(status_server, "generate_latest", lambda: b"x" * 50_000_000)
    with connect(server) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        connection.recv(1, socket.MSG_PEEK)  # it is being served
        wait_until_nobody_is_served(server)
        assert len(said(connection)) < 50_000_000


@pytest.mark.parametrize("size_bytes", [50_000, 5_000_000])
def test_a_page_of_any_size_arrives_whole(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    """Also one that the system takes only in parts."""
    monkeypatch.setattr(status_server, "generate_latest", lambda: b"x" * size_bytes)
    server._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    assert len(ask(server, "/metrics")[2]) == size_bytes


def test_idle_connections_keep_nobody_out_and_take_no_more_than_their_bound(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_server, "REQUEST_S", 10 * TIMEOUT_S)
    threads = threading.active_count()
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(10 * MAX_CONNECTIONS)]
        assert ask(server, "/health/ready")[0] == 200
        assert len(server._connections) <= MAX_CONNECTIONS
        assert threading.active_count() == threads
        assert [said(one) for one in idle[:-MAX_CONNECTIONS]] == [b""] * 9 * MAX_CONNECTIONS


def test_at_its_end_all_connections_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_server, "REQUEST_S", 10 * TIMEOUT_S)
    with StatusServer("127.0.0.1:0", lambda: None) as server:
        connection = connect(server)
        ask(server, "/health/live")
    assert said(connection) == b""
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        connect(server)


def test_it_listens_on_ipv6_too() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with StatusServer("[::1]:0", lambda: None) as server:
        assert server.address.startswith("[::1]:")
        assert ask(server, "/health/live")[0] == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", "no.such.host.invalid:1"])
def test_an_address_that_cant_be_had_is_said_in_one_sentence(address: str) -> None:
    with pytest.raises(SettingsError, match=f"DOCQA_METRICS_ADDR: can't listen on '{address}': "):
        StatusServer(address, lambda: None)


def test_a_port_that_is_taken_is_said(server: StatusServer) -> None:
    with pytest.raises(SettingsError, match="in use"):
        StatusServer(server.address, lambda: None)


def drip(connection: socket.socket) -> None:
    for _ in range(int(TIMEOUT_S / 0.05)):
        connection.sendall(b"G")
        time.sleep(0.05)


def wait_until_nobody_is_served(server: StatusServer) -> None:
    end = time.monotonic() + TIMEOUT_S
    while server._connections and time.monotonic() < end:
        time.sleep(0.01)
    assert not server._connections
