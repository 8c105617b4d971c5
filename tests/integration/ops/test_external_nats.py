"""`docqa nats` for clients on other machines: under TLS, with passwords that were given."""

import contextlib
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from bench.targets.free_ports import free_port
from contract import topology
from contract.bus import connected
from contract.settings import BusSettings, Secret, load
from ops.nats import address
from tests.support.bus_side import new_job
from tests.support.nats_server import bare_client
from tests.support.waiting import eventually

PASSWORDS = {role: f"{role}0123456789abcdef" for role in ("admin", "ingress", "worker")}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """A certificate, and passwords, as an operator gives them."""
    authority, given = trustme.CA(), tmp_path / "given"
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    given.mkdir()
    for role, password in PASSWORDS.items():
        (given / role).write_text(f"{password}\n")
    return {
        "DOCQA_NATS_HOST": "0.0.0.0",
        "DOCQA_NATS_PORT": str(free_port()),
        "DOCQA_NATS_CERT": str(tmp_path / "cert.pem"),
        "DOCQA_NATS_KEY": str(tmp_path / "key.pem"),
        "DOCQA_NATS_CA": str(tmp_path / "ca.pem"),
        "DOCQA_NATS_CREDENTIALS": str(given),
    }


@contextlib.contextmanager
def running(tmp_path: Path, settings: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "ops", "nats", "--data-dir", str(tmp_path / "data"), "--json"]
    with subprocess.Popen(
        [*command, "--ready-file", str(tmp_path / "ready.json")],
        env={**os.environ, **settings},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


async def ready(tmp_path: Path) -> dict[str, Any]:
    async def read() -> Any:
        with contextlib.suppress(FileNotFoundError):
            return json.loads((tmp_path / "ready.json").read_bytes())

    found: dict[str, Any] = await eventually(read, "the bus is ready")
    return found


async def test_the_roles_come_from_elsewhere_under_tls_with_the_given_passwords(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with running(tmp_path, settings):
        url = (await ready(tmp_path))["nats_url"]
        assert url.startswith("tls://127.0.0.1:")
        elsewhere = BusSettings(
            nats_url=f"tls://localhost:{url.rpartition(':')[2]}",
            nats_password=Secret(PASSWORDS["worker"]),
            nats_ca=Path(settings["DOCQA_NATS_CA"]),
        )
        async with connected(elsewhere, "worker") as bus:
            assert (await bus.queue_state()).capacity == 32


async def test_parts_on_the_same_folder_find_it_and_its_authority_by_themselves(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with running(tmp_path, settings):
        await ready(tmp_path)
        found = address.environment_for(tmp_path / "data", "admin")
        async with connected(load(BusSettings, found), "admin") as bus:
            assert (await bus.queue_state()).depth == 0


async def test_the_credentials_of_publishers_name_the_address_that_they_see_now_and_after_a_start(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    seen = {"DOCQA_NATS_PUBLIC_URL": f"tls://localhost:{settings['DOCQA_NATS_PORT']}"}
    for is_there in (False, True):
        with running(tmp_path, settings | seen):
            await ready(tmp_path)
            if not is_there:
                added(tmp_path, "alice", seen)
            given = json.loads((tmp_path / "data/nats/publishers/alice.json").read_bytes())
            assert given["url"] == seen["DOCQA_NATS_PUBLIC_URL"]
            trusting = ssl.create_default_context(cafile=settings["DOCQA_NATS_CA"])
            async with bare_client(given["url"], user=given["user"], password=given["password"], tls=trusting) as (
                alice,
                _,
            ):
                job = new_job("alice")
                assert (await alice.jetstream().publish(job.subject, b"{}")).stream == topology.JOBS_STREAM
        (tmp_path / "ready.json").unlink(missing_ok=True)


def added(tmp_path: Path, name: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "ops", "publishers", "add", name, "--data-dir", str(tmp_path / "data")]
    subprocess.run(command, env=os.environ | environment, check=True, capture_output=True, timeout=30)


async def test_nobody_gets_in_without_tls(tmp_path: Path, settings: dict[str, str]) -> None:
    with running(tmp_path, settings):
        url = (await ready(tmp_path))["nats_url"].replace("tls://", "nats://")
        with pytest.raises(Exception, match=r"(?i)tls|ssl|certificate|no servers"):
            async with bare_client(
                url, user="admin", password=PASSWORDS["admin"], max_reconnect_attempts=1, allow_reconnect=False
            ):
                pass


def test_without_a_certificate_it_does_not_start(tmp_path: Path) -> None:
    with running(tmp_path, {"DOCQA_NATS_HOST": "0.0.0.0"}) as process:
        _, words = process.communicate(timeout=30)
    assert process.returncode == 1
    assert words.startswith("docqa: DOCQA_NATS_HOST: passwords would come to 0.0.0.0 in the clear")
