"""Where `docqa nats` listens, and that other machines cannot connect without TLS."""

from pathlib import Path

import msgspec
import pytest

from contract.errors import SettingsError
from contract.settings import load
from ops.nats import address
from ops.nats.credentials import Credentials
from ops.nats.endpoint import endpoint_of
from ops.settings import NatsSettings


def settings_with(**environment: str) -> NatsSettings:
    return load(NatsSettings, environment)


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    names = ("DOCQA_NATS_CERT", "DOCQA_NATS_KEY", "DOCQA_NATS_CA")
    for name in names:
        (tmp_path / name).touch()
    return {name: str(tmp_path / name) for name in names}


def test_without_settings_it_is_the_loopback_as_it_is() -> None:
    found = endpoint_of(settings_with())
    assert (str(found.address), str(found.monitor), found.certificate) == ("127.0.0.1:4222", "127.0.0.1:-1", None)
    assert found.url(4300) == "nats://127.0.0.1:4300"


def test_beyond_this_machine_it_listens_under_tls_only(certificate: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="in the clear"):
        endpoint_of(settings_with(DOCQA_NATS_HOST="0.0.0.0"))
    found = endpoint_of(settings_with(DOCQA_NATS_HOST="0.0.0.0", **certificate))
    assert found.certificate
    assert found.certificate.render()["cert_file"] == certificate["DOCQA_NATS_CERT"]
    assert found.url(4222) == "tls://127.0.0.1:4222"


@pytest.mark.parametrize("url", ["tls://bus.example:4222", "nats://10.0.0.7:4222", "tls://[fd00::7]:4222"])
def test_publishers_are_told_another_address_where_one_is_set(url: str) -> None:
    assert endpoint_of(settings_with(DOCQA_NATS_PUBLIC_URL=url)).public_url == url
    assert endpoint_of(settings_with()).public_url is None


@pytest.mark.parametrize("url", ["bus:4222", "http://bus:4222", "tls://bus", "tls://x:y@bus:4222", "tls://bus:4222/x"])
def test_what_is_no_address_of_a_bus_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="DOCQA_NATS_PUBLIC_URL: expected") as refused:
        endpoint_of(settings_with(DOCQA_NATS_PUBLIC_URL=url))
    assert url not in str(refused.value)


@pytest.mark.parametrize("missing", ["DOCQA_NATS_CERT", "DOCQA_NATS_KEY", "DOCQA_NATS_CA"])
def test_half_a_certificate_is_refused_with_the_name_of_what_is_missing(
    certificate: dict[str, str], missing: str
) -> None:
    del certificate[missing]
    with pytest.raises(SettingsError, match=f"^{missing}: "):
        endpoint_of(settings_with(**certificate))


def test_a_certificate_that_is_not_there_is_refused_with_its_path(certificate: dict[str, str], tmp_path: Path) -> None:
    certificate["DOCQA_NATS_KEY"] = str(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match=r"DOCQA_NATS_KEY: there is no file .*nowhere"):
        endpoint_of(settings_with(**certificate))


def test_given_passwords_replace_those_of_the_last_start(tmp_path: Path) -> None:
    given, kept = tmp_path / "given", Credentials(tmp_path / "kept")
    kept.ensure()
    given.mkdir()
    for role in ("admin", "ingress", "worker"):
        (given / role).write_text(f"{role}0123456789abcdef\n")
    kept.adopt(given)
    assert kept.read("worker") == "worker0123456789abcdef"
    assert kept.path("worker").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("password", ["", "short", "$2a$10$abcdefghijklmnop", "two words of a password"])
def test_a_given_password_that_the_server_would_read_otherwise_is_refused(tmp_path: Path, password: str) -> None:
    for role in ("admin", "ingress", "worker"):
        (tmp_path / role).write_text(password)
    with pytest.raises(SettingsError, match="DOCQA_NATS_CREDENTIALS: "):
        Credentials(tmp_path / "kept").adopt(tmp_path)


def test_who_runs_on_the_same_folder_finds_the_bus_with_its_authority(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("a certificate")
    address.bus_folder(tmp_path).mkdir()
    address.record(tmp_path, "tls://127.0.0.1:4222", authority)
    found = address.environment_for(tmp_path, "worker")
    assert Path(found["DOCQA_NATS_CA"]).read_text() == "a certificate"
    address.record(tmp_path, "nats://127.0.0.1:4222")
    assert address.environment_for(tmp_path, "worker")["DOCQA_NATS_CA"] == ""


@pytest.mark.parametrize("count", [2, 4])
def test_an_even_number_of_copies_is_refused(count: int) -> None:
    with pytest.raises(SettingsError, match="DOCQA_REPLICAS must be 1, 3 or 5"):
        settings_with(DOCQA_REPLICAS=str(count))
    assert msgspec.structs.replace(settings_with(), replicas=3).replicas == 3
