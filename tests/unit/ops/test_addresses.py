"""Addresses: how they are parsed, which ones the children of `docqa up` get, and the command shown for pasting."""

import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.address import Address, parse_address
from contract.errors import SettingsError
from contract.settings import load
from ops import stack, welcome
from ops.settings import UpSettings


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", Address("127.0.0.1", 8000)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_an_address_is_read_and_written_the_same_way(text: str, address: Address) -> None:
    assert parse_address(text, "--http") == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "8000", ":8000", "localhost:", "localhost:http", "localhost:65536", "a:-1", "a:²"]
)
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^--http: .* is not HOST:PORT"):
        parse_address(text, "--http")


def test_a_taken_port_is_an_error_that_says_what_to_do(taken: int) -> None:
    with pytest.raises(SettingsError, match=rf"127\.0\.0\.1:{taken}: Address already in use.*--http 127\.0\.0\.1:0"):
        stack.http_address(UpSettings(port=taken))


def test_metrics_take_their_usual_ports_only_when_they_are_free(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setattr(stack, "_INGRESS_METRICS_PORT", taken)
    ingress, worker, library = stack.metrics_addresses(UpSettings())
    assert ingress.port == 0
    assert worker.port in (9109, 0)
    assert library.port in (9110, 0)


def test_metrics_are_picked_where_the_http_port_is() -> None:
    assert [address.port for address in stack.metrics_addresses(UpSettings(port=0))] == [0, 0, 0]


def test_a_named_metrics_address_is_the_ingress_s_and_the_others_take_the_next() -> None:
    settings = UpSettings(metrics_addr="0.0.0.0:9200")
    assert stack.metrics_addresses(settings) == tuple(Address("0.0.0.0", port) for port in (9200, 9201, 9202))
    assert stack.metrics_addresses(UpSettings(metrics_addr="127.0.0.1:0")) == (Address("127.0.0.1", 0),) * 3


def test_the_socket_is_beside_the_data_unless_it_is_named() -> None:
    assert load(UpSettings, {"DOCQA_DATA_DIR": "/data"}).socket_path == Path("/data/docqa.sock")
    assert load(UpSettings, {"DOCQA_DATA_DIR": "/data", "DOCQA_UDS": "/run/q"}).socket_path == Path("/run/q")


@pytest.mark.parametrize(
    ("listens", "page"),
    [("http://127.0.0.1:8000", "http://127.0.0.1:8000/"), ("http://0.0.0.0:8000", "http://127.0.0.1:8000/")],
)
def test_the_page_s_address_is_one_that_a_browser_reaches(listens: str, page: str) -> None:
    found = {"http": listens, "uds": "/a/docqa.sock", "data_dir": "/a"}
    text = welcome.text(found, load(UpSettings, {}), {"model": "m", "slots": 8})
    assert f"The page: {page}" in text.splitlines()


def curls(token: str | None = None, **changes: Any) -> list[list[str]]:
    found = {"http": "http://127.0.0.1:8000", "uds": "/a folder/docqa.sock", "data_dir": "/a folder", **changes}
    settings = load(UpSettings, {"DOCQA_TOKEN": token} if token else {})
    text = welcome.text(found, settings, {"model": "m", "slots": 8})
    assert token is None or token not in text
    return [shlex.split(line) for line in text.splitlines() if line.startswith("  curl")]


def test_the_lines_to_paste_name_both_ways_in() -> None:
    tcp, unix = curls()
    assert "http://127.0.0.1:8000/api/query" in tcp
    assert unix[unix.index("--unix-socket") + 1] == "/a folder/docqa.sock"
    assert not any("Authorization" in word for word in tcp + unix)


def test_the_first_command_to_paste_asks_about_a_file_on_this_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/docqa", "up"])
    usual = str(UpSettings().socket_path)
    for uds, target in (("/a folder/docqa.sock", ["--target", "/a folder/docqa.sock"]), (usual, [])):
        found = {"http": "http://127.0.0.1:8000", "uds": uds, "data_dir": "/a folder"}
        lines = welcome.text(found, UpSettings(), {"model": "m", "slots": 8}).splitlines()
        (line,) = (line for line in lines if line.startswith("  .venv/bin/docqa"))
        assert shlex.split(line) == [
            ".venv/bin/docqa", "ask", "What is this about?", *target, "--document", "FILE",
        ]  # fmt: skip


def test_the_lines_to_paste_take_the_token_from_the_shell() -> None:
    for line in curls(token="s3cret"):
        assert "Authorization: Bearer $DOCQA_TOKEN" in line


def test_who_listens_everywhere_is_asked_on_the_loopback() -> None:
    assert "http://127.0.0.1:8000/api/query" in curls(http="http://0.0.0.0:8000")[0]
    assert "http://[::1]:8000/api/query" in curls(http="http://[::]:8000")[0]


@pytest.mark.parametrize(
    ("environment", "key"),
    [({}, "none"), ({"DOCQA_TOKEN": "dq_secret"}, "$DOCQA_TOKEN"), ({"DOCQA_TOKENS": "/tokens.json"}, "YOUR_TOKEN")],
)
def test_the_line_for_openais_clients_can_be_pasted_and_shows_no_token(environment: dict[str, str], key: str) -> None:
    found = {"http": "http://0.0.0.0:8000", "uds": "/run/sock", "data_dir": "/data"}
    text = welcome.text(found, load(UpSettings, environment), {"model": "m", "slots": 4})
    assert f"OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY={key}\n" in text
    assert "dq_secret" not in text


def test_a_system_that_was_started_as_a_module_is_asked_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"http": "http://127.0.0.1:8000", "uds": "/tmp/s", "data_dir": "/tmp/data"}  # noqa: S108 - only a text
    monkeypatch.setattr(sys, "argv", ["/srv/docqa/ops/__main__.py", "up"])
    asked = welcome.text(found, UpSettings(), {"model": "m", "slots": 4})
    assert f"{sys.executable} -m ops ask" in asked
    assert "__main__.py" not in asked
