"""A bus with TLS: which certificates are accepted, and that no password is sent to any other server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import trustme

from contract.bus import Bus
from contract.settings import BusSettings, Secret
from tests.support.bus_side import new_job, publish
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually

INFO = {"server_id": "x", "version": "2.15.1", "auth_required": True, "headers": True, "max_payload": 1_000_000}


class TlsServer(RunningServer):
    """The embedded server's configuration, and a certificate for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        certificate = self.ca.issue_cert("127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))

    def settings_for(self, role: str) -> BusSettings:
        return msgspec.structs.replace(super().settings_for(role), nats_ca=self.ca_file)

    def _write_config(self) -> None:
        super()._write_config()
        pem = str(self.folder / "server.pem")
        config = {**json.loads(self._config.read_bytes()), "tls": {"cert_file": pem, "key_file": pem}}
        self._config.write_text(json.dumps(config))


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[TlsServer]:
    server = TlsServer(tmp_path)
    server.start()
    yield server
    server.stop()


@contextlib.asynccontextmanager
async def connecting(settings: BusSettings) -> AsyncIterator[tuple[Bus, list[str]]]:
    """A bus that tries for the time of a block, and what goes wrong meanwhile."""
    bus, troubles = Bus(), list[str]()

    async def note(error: Exception) -> None:
        troubles.append(str(error))

    bus._log_error = note  # type: ignore[method-assign]
    trying = asyncio.create_task(bus.connect(settings, "worker"))
    yield bus, troubles
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    await bus.close()


async def tells(troubles: list[str], what: str) -> None:
    async def probe() -> bool:
        return any(what in trouble for trouble in troubles)

    await eventually(probe, f"{what} is told", 10, 0.01)


async def test_jobs_are_published_under_tls_with_the_authority_alone(tls_server: TlsServer) -> None:
    await tls_server.provision()
    async with tls_server.bus("ingress") as bus:
        assert bus.client._transport._io_writer.get_extra_info("cipher")  # type: ignore[union-attr]
        job = await publish(bus, job=new_job("http"))
        assert await bus.find_job(job)


async def test_tls_is_there_again_after_the_server_was_away(tls_server: TlsServer) -> None:
    async with tls_server.bus("admin") as bus:
        tls_server.stop()
        await eventually(lambda: is_connected(bus, False), "the break is seen", 10, 0.01)
        tls_server.start()
        await eventually(lambda: is_connected(bus, True), "the connection is mended", 10, 0.01)
        assert bus.client._transport._io_writer.get_extra_info("ssl_object")  # type: ignore[union-attr]


async def is_connected(bus: Bus, wanted: bool) -> bool:
    return bus.is_connected is wanted


async def test_a_certificate_of_another_authority_is_not_believed(tls_server: TlsServer, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    settings = msgspec.structs.replace(tls_server.settings_for("worker"), nats_ca=tmp_path / "other.pem")
    async with connecting(settings) as (bus, troubles):
        await tells(troubles, "CERTIFICATE_VERIFY_FAILED")
        assert not bus.is_connected


async def test_a_certificate_of_another_host_is_not_believed(tls_server: TlsServer) -> None:
    settings = msgspec.structs.replace(
        tls_server.settings_for("worker"), nats_url=f"nats://localhost:{tls_server.port}"
    )
    async with connecting(settings) as (bus, troubles):
        await tells(troubles, "Hostname mismatch")
        assert not bus.is_connected


@contextlib.asynccontextmanager
async def impostor(**info: object) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that greets like a nats-server: its URL, and the bytes that it receives."""
    told: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO " + json.dumps({**INFO, **info}).encode() + b"\r\n")
        told.append(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}", told


async def test_a_server_that_denies_tls_is_told_no_password(tls_server: TlsServer) -> None:
    """A stranger on the line can take the word "TLS" out of a server's greeting."""
    async with impostor(tls_required=False) as (url, told):
        settings = BusSettings(nats_url=url, nats_password=Secret("password"), nats_ca=tls_server.ca_file)
        async with connecting(settings) as (_, troubles):
            await tells(troubles, "offers no TLS")
        assert b"".join(told) == b""


async def test_this_machine_is_told_the_password() -> None:
    """The control of the test above: without the check, the password would be received."""
    async with impostor() as (url, told), connecting(BusSettings(nats_url=url, nats_password=Secret("password"))):

        async def probe() -> bool:
            return b"password" in b"".join(told)

        await eventually(probe, "the password is told", 10, 0.01)
