"""Where TLS is needed, what is refused, and that no password is said before it is there."""

import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlparse

import nats.errors
import pytest
import trustme
from nats.aio.client import Srv

from contract.bus import Bus
from contract.errors import SettingsError
from contract.settings import BusSettings, QueueSettings, Secret, load
from contract.tls import is_loopback, tls_context

ELSEWHERE = "nats://bus.example:4222"


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_this_machine_is_known_by_its_own_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", None, "192.0.2.1", "0.0.0.0", "bus.example", "localhost.example", "127.0.0.1.example", "2130706433"]
)
def test_any_other_name_is_another_machine(host: str | None) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("url", ["nats://127.0.0.1:4222", "nats://localhost", "127.0.0.1:4222", "nats://[::1]:4222"])
def test_this_machine_needs_no_tls(url: str) -> None:
    assert tls_context(url, None) is None


@pytest.mark.parametrize("url", [ELSEWHERE, "bus.example", "nats://u:p@192.0.2.1:4222", "nats://127.0.0.1@bus.example"])
def test_another_machine_without_tls_is_refused_in_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^DOCQA_NATS_URL: .* in the clear: .*DOCQA_NATS_CA") as raised:
        tls_context(url, None)
    assert "p@" not in str(raised.value)


@pytest.mark.parametrize("url", [ELSEWHERE, "nats://127.0.0.1:4222", "tls://bus.example:4222"])
def test_with_an_authority_the_certificate_and_the_host_are_checked(url: str, ca_file: Path) -> None:
    context = tls_context(url, ca_file)
    assert context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_tls_in_the_url_asks_the_systems_authorities() -> None:
    context = tls_context("tls://bus.example:4222", None)
    assert context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1", "ws://127.0.0.1", "nats://", "nats://h:port", "nats://h:0", "nats://["]
)
def test_what_is_no_address_of_a_bus_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="DOCQA_NATS_URL: expected"):
        tls_context(url, None)


def test_all_servers_of_a_cluster_are_looked_at(ca_file: Path) -> None:
    with pytest.raises(SettingsError, match=r"would go to bus\.example in the clear"):
        tls_context(f"nats://127.0.0.1:4222, {ELSEWHERE}", None)
    with pytest.raises(SettingsError, match="write them all alike"):
        tls_context("nats://127.0.0.1:4222,tls://bus.example:4222", None)
    with pytest.raises(SettingsError, match="DOCQA_NATS_URL: expected"):
        tls_context("nats://127.0.0.1:4222,", None)
    assert tls_context("nats://127.0.0.1:4222,nats://127.0.0.1:4223", None) is None
    assert tls_context(f"{ELSEWHERE},nats://127.0.0.1:4222", ca_file)


def test_an_authority_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"DOCQA_NATS_CA: can't use .*nowhere: No such file"):
        tls_context(ELSEWHERE, tmp_path / "nowhere")
    (tmp_path / "text").write_text("no certificate")
    with pytest.raises(SettingsError, match=r"DOCQA_NATS_CA: can't use .*text: not a certificate in PEM"):
        tls_context(ELSEWHERE, tmp_path / "text")


def test_a_service_is_told_at_its_start(ca_file: Path) -> None:
    """It may connect in the background, where the sentence would not be seen."""
    with pytest.raises(SettingsError, match="in the clear"):
        load(BusSettings, {"DOCQA_NATS_URL": ELSEWHERE})
    loaded = load(BusSettings, {"DOCQA_NATS_URL": ELSEWHERE, "DOCQA_NATS_CA": str(ca_file)})
    assert loaded.nats_ca == ca_file
    assert load(QueueSettings, {"DOCQA_NATS_URL": ELSEWHERE})


async def test_nothing_is_sent_to_another_machine_without_tls() -> None:
    with pytest.raises(SettingsError, match="in the clear"):
        await Bus().connect(BusSettings(nats_url=ELSEWHERE, nats_password=Secret("p")), "worker")


@pytest.mark.parametrize(
    ("url", "options", "is_encrypted", "is_told"),
    [
        ("nats://127.0.0.1:4222", {}, False, True),
        ("nats://192.0.2.1:4222", {}, False, False),
        ("nats://127.0.0.1:4222", {"tls": ssl.create_default_context()}, False, False),
        ("nats://192.0.2.1:4222", {"tls": ssl.create_default_context()}, True, True),
    ],
    ids=["this machine", "sent on to another one", "TLS was asked for", "under TLS"],
)
def test_a_password_is_said_in_private_only(
    url: str, options: dict[str, Any], is_encrypted: bool, is_told: bool
) -> None:
    """At each connection: a server may name others, and a stranger on the line may deny that there is TLS."""
    client: Any = Bus().client
    client._current_server = Srv(urlparse(url))
    client._transport = SimpleNamespace(
        _io_writer=SimpleNamespace(get_extra_info=lambda _: "an ssl object" if is_encrypted else None)
    )
    client.options = {"verbose": False, "pedantic": False, "no_echo": False, "name": "n", **options}
    if is_told:
        assert client._connect_command().startswith(b"CONNECT ")
    else:
        with pytest.raises(nats.errors.Error, match="offers no TLS"):
            client._connect_command()
