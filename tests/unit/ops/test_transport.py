"""How the commands reach a system: no proxy of the environment reads what is said on this machine."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from contract.errors import DocQAError, SettingsError
from ops import transport

TIMEOUT = httpx.Timeout(5)


class Recorder:
    """A server that answers everything and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked = asked = list[str]()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])


@pytest.fixture
def recorders() -> Iterator[tuple[Recorder, Recorder]]:
    """A system and a proxy."""
    made = Recorder(), Recorder()
    for one in made:
        threading.Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    for one in made:
        one.server.shutdown()
        one.server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_proxy_of_the_environment_is_never_used_on_this_machine(
    host: str, recorders: tuple[Recorder, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    system, proxy = recorders
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    target = f"http://{host}:{system.port}"
    with transport.client(target, "secret", TIMEOUT) as client:
        client.get("/sync")
    async with transport.async_client(target, "secret", TIMEOUT) as async_client:
        await async_client.get("/async")
    assert (system.asked, proxy.asked) == (["/sync", "/async"], [])


@pytest.mark.parametrize("target", ["/run/docqa.sock", "http://127.0.0.1:1", "http://[::1]:1"])
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "://"])
def test_a_proxy_that_no_client_can_use_is_no_matter_on_this_machine(
    target: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    transport.client(target, None, TIMEOUT).close()


def test_for_another_machine_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(SettingsError, match=r"^ALL_PROXY: expected http://HOST:PORT"):
        transport.client("http://docqa.example:8000", None, TIMEOUT)


def test_another_machine_is_reached_through_the_proxy(
    recorders: tuple[Recorder, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, proxy = recorders
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    with transport.client("http://docqa.example:8000", None, TIMEOUT) as client:
        client.get("/health")
    assert proxy.asked == ["http://docqa.example:8000/health"]


@pytest.mark.parametrize(
    "target", ["http://::1:45929", "http://[::1", "http://", "http://host:port", "ftp://host", "http://host:99999"]
)
def test_what_is_neither_a_url_nor_a_socket_is_one_sentence(target: str, tmp_path: Path) -> None:
    with pytest.raises(DocQAError, match=r"^--target: .* is neither the path of a Unix socket nor a URL"):
        transport.client(target, None, TIMEOUT)
