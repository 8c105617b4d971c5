"""Where no token is needed: who is let in over TCP, and by which name."""

import json
import socket
from typing import Any

import pytest

from contract.errors import SettingsError
from ingress.middleware.local_host import LocalHostOnly
from ingress.server.listeners import Listeners, refuse_open_listeners, tcp_listener

METRICS = ("127.0.0.1", 9108)


async def told(hosts: list[bytes], server: tuple[str, int | None] = ("127.0.0.1", 8000)) -> tuple[int, dict[str, Any]]:
    """The status and the body of an answer to a request that names these hosts."""
    messages: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {"type": "http", "server": server, "headers": [(b"accept", b"*/*"), *((b"host", host) for host in hosts)]}
    await LocalHostOnly(app, METRICS)(scope, None, send)  # type: ignore[arg-type]  # nothing is received
    return messages[0]["status"], json.loads(messages[1]["body"])


@pytest.mark.parametrize(
    "host", [b"localhost", b"localhost:8000", b"LOCALHOST:1", b"127.0.0.1", b"127.0.0.1:8000", b"[::1]", b"[::1]:65535"]
)
async def test_this_machines_own_names_are_answered(host: bytes) -> None:
    assert (await told([host]))[0] == 200


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"evil.example"],
        [b"localhost.evil.example"],
        [b"evil.example:8000"],
        [b"127.0.0.1.evil.example"],
        [b"127.0.0.2"],
        [b"0.0.0.0"],
        [b"localhost:"],
        [b"localhost:8000:1"],
        [b"localhost\n"],
        [b"user@localhost"],
        [b"::1"],
        [b"localhost", b"evil.example"],
        [b"evil.example", b"localhost"],
    ],
)
async def test_any_other_name_over_tcp_is_421(hosts: list[bytes]) -> None:
    status, body = await told(hosts)
    assert (status, body["status"], body["type"]) == (421, 421, "misdirected")


@pytest.mark.parametrize("server", [("/run/docqa.sock", None), METRICS])
async def test_on_the_unix_socket_and_the_metrics_address_any_name_will_do(server: tuple[str, int | None]) -> None:
    assert (await told([b"docqa"], server))[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_doors_on_the_loopback_may_be_open(host: str) -> None:
    with tcp_listener(host, 0, "DOCQA_PORT") as door, tcp_listener("0.0.0.0", 0, "DOCQA_METRICS_ADDR") as metrics:
        refuse_open_listeners(Listeners([door], metrics))


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_door_to_others_stops_the_start_in_one_sentence(host: str) -> None:
    door, metrics = tcp_listener(host, 0, "DOCQA_PORT"), tcp_listener("127.0.0.1", 0, "DOCQA_METRICS_ADDR")
    with door, metrics, pytest.raises(SettingsError, match=r"^DOCQA_HOST: .* no token is set"):
        refuse_open_listeners(Listeners([door], metrics))


def test_a_unix_socket_is_no_door_to_others() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        refuse_open_listeners(Listeners([one], other))
