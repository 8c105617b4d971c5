"""The stack of deploy/compose, built and run for real with podman and the bundled model."""

import contextlib
import json
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.targets.free_ports import free_port
from tests.deploy.support import podman
from tests.deploy.support.image import IMAGE, Making
from tests.deploy.support.places import DEPLOY
from tests.support.waiting import eventually

PROJECT = "docqa-test"
SERVICES = ("nats", "ingress", "worker", "library", "nginx")
STREAMED = {"Accept": "text/event-stream"}
QUESTION = {
    "query": "How many months is the notice period?",
    "context": "The tenant must give three months notice.",
    "max_tokens": 12,
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


class Running:
    """The stack, and a way to ask it as a client outside would."""

    def __init__(self, folder: Path, http: str, https: str) -> None:
        self.folder = folder
        self.http = http
        self.https = https

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        trusted = ssl.create_default_context(cafile=self.folder / "secrets" / "authority.pem")
        token = (self.folder / "secrets" / "token").read_text().strip()
        async with httpx.AsyncClient(
            base_url=f"https://{self.https}",
            headers={"Authorization": f"Bearer {token}"},
            verify=trusted,
            timeout=100,
            trust_env=False,
        ) as client:
            yield client

    def inside(self, service: str, *command: str, check: bool = True) -> str:
        return podman.podman("exec", container(service), *command, check=check)

    async def until_healthy(self) -> None:
        for service in SERVICES:

            async def looks_well(service: str = service) -> bool:
                return podman.is_healthy(container(service))

            await eventually(looks_well, f"{service} is healthy", timeout_s=90)


def container(service: str) -> str:
    return f"{PROJECT}_{service}_1"


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, image: Making) -> Iterator[Running]:
    image.wait()
    folder = tmp_path_factory.mktemp("compose") / "deploy" / "compose"
    shutil.copytree(DEPLOY / "compose", folder, ignore=shutil.ignore_patterns("secrets"))
    podman.run([str(folder / "prepare.sh")])
    addresses = {"HTTP_ADDRESS": free_address(), "HTTPS_ADDRESS": free_address()}
    bounds = {"MAX_QUEUE_SIZE": "20", "DOCQA_SYNC_WAIT_S": "90", "DOCQA_SLOTS": "4", "DOCQA_TUNE": "off"}
    podman.compose(folder, PROJECT, ["down", "--volumes"], addresses)
    try:
        podman.compose(folder, PROJECT, ["up", "--detach", "--no-build"], addresses | bounds)
        yield Running(folder, *addresses.values())
    finally:
        podman.compose(folder, PROJECT, ["down", "--volumes"], addresses)


async def test_the_stack_comes_up_healthy_and_answers_through_nginx(stack: Running) -> None:
    await stack.until_healthy()
    async with stack.client() as client:
        answered = await client.post("/api/query", json=QUESTION)
        assert answered.status_code == 200, answered.text
        assert re.search(r"\b(three|3)\b", answered.json()["answer"].lower()), answered.text
        assert (await client.get("/metrics")).status_code == 404
        assert (await client.post("/api/query", content=b"x" * 2_000_000)).status_code == 413
        refused = await client.post("/api/query", json=QUESTION, headers={"Authorization": "Bearer nobody"})
        assert refused.status_code == 401
    async with httpx.AsyncClient(trust_env=False) as plain:
        assert (await plain.get(f"http://{stack.http}/health/live")).status_code == 200


async def test_tokens_pass_nginx_as_they_are_made(stack: Running) -> None:
    await stack.until_healthy()
    async with (
        stack.client() as client,
        client.stream("POST", "/api/query", json=QUESTION | {"style": "write"}, headers=STREAMED) as stream,
    ):
        parts = [part async for part in stream.aiter_raw()]
    assert len(parts) > 3
    assert parts[-1].count(b"event: result") == 1 or b"event: result" in b"".join(parts[-3:])


async def test_nobody_in_a_container_is_root_or_may_write_its_files(stack: Running) -> None:
    await stack.until_healthy()
    for service in SERVICES:
        found = podman.inspected(container(service))
        assert found["HostConfig"]["ReadonlyRootfs"] is True
        assert not found["EffectiveCaps"]
        status = Path(f"/proc/{found['State']['Pid']}/status").read_text()
        uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
        assert set(uids) == {"101" if service == "nginx" else "10001"}
        assert "NoNewPrivs:\t1" in status


async def test_the_kernels_that_fit_this_processor_are_used(stack: Running) -> None:
    await stack.until_healthy()
    pid = podman.inspected(container("worker"))["State"]["Pid"]
    maps = Path(f"/proc/{pid}/maps").read_text()
    loaded = {Path(line.split()[-1]).name for line in maps.splitlines() if "libggml-cpu-" in line}
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).split()
    assert len(loaded) == 1
    assert loaded <= expected_variants(set(flags)), loaded


def expected_variants(flags: set[str]) -> set[str]:
    """The best that the processor's flags allow; others than x86-64 are not run here."""
    if "avx512_bf16" in flags:
        names = {"zen4"} if "avx512vbmi" in flags else {"cooperlake"}
    elif "avx512f" in flags:
        names = {"skylakex", "cannonlake", "cascadelake", "icelake"}
    else:
        names = (
            {"haswell", "alderlake"} if "avx2" in flags else {"x64", "sse42", "sandybridge", "ivybridge", "piledriver"}
        )
    return {f"libggml-cpu-{name}.so" for name in names}


async def test_every_container_comes_back_from_a_kill_and_no_accepted_job_is_lost(stack: Running) -> None:
    await stack.until_healthy()
    async with stack.client() as client:
        for service in SERVICES:
            jobs = await accepted(client, 4)
            killed = podman.kill(container(service))

            async def is_back(service: str = service, killed: int = killed) -> bool:
                return podman.inspected(container(service))["State"]["Pid"] not in (0, killed)

            await eventually(is_back, f"{service} was started again", timeout_s=60)
            for job in jobs:
                assert await ended(client, job) == "done", f"{service} was killed"
        await stack.until_healthy()


async def accepted(client: httpx.AsyncClient, count: int) -> list[str]:
    found = []
    for number in range(count):
        body = {**QUESTION, "query": f"{QUESTION['query']} ({number})"}
        answer = await client.post("/api/query", json=body, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202, answer.text
        found.append(answer.headers["location"])
    return found


async def ended(client: httpx.AsyncClient, location: str) -> str:
    """Through whatever happens meanwhile: nginx without an ingress, an ingress without a bus, no nginx at all."""

    async def look() -> str | None:
        with contextlib.suppress(httpx.HTTPError):
            answer = await client.get(location)
            if answer.status_code == 200 and answer.json()["status"] in ("done", "failed"):
                return str(answer.json()["status"])
        return None

    return await eventually(look, f"{location} ended", timeout_s=120, every_s=0.3)


async def test_a_backup_is_made_and_tried_out_inside(stack: Running) -> None:
    await stack.until_healthy()
    stack.inside("nats", "docqa", "backup", "create", "--json")
    listed = stack.inside("nats", "docqa", "backup", "list", "--json")
    assert "/var/backups/docqa" in stack.inside("nats", "sh", "-c", "ls -d /var/backups/docqa/*")
    assert listed.strip() not in ("", "[]")


async def test_a_publisher_that_is_added_inside_reaches_the_bus_by_its_credentials(stack: Running) -> None:
    """From another container of the network, by the name that its credentials give."""
    await stack.until_healthy()
    made = json.loads(stack.inside("nats", "docqa", "publishers", "add", "alice", "--json"))
    assert (made["url"], made["applied"]) == ("tls://nats:4222", True)
    given = json.loads(stack.inside("nats", "cat", made["credentials"]))
    script = f"""if True:
        import asyncio, nats, ssl
        async def main():
            tls = ssl.create_default_context(cafile="/run/secrets/authority.pem")
            user, password = {given["user"]!r}, {given["password"]!r}
            alice = await nats.connect({given["url"]!r}, user=user, password=password, tls=tls)
            job = "docqa.jobs.alice.c1.00000000-0000-7000-8000-000000000001"
            print((await alice.jetstream().publish(job, b'{{"query": "Who?"}}')).stream)
        asyncio.run(main())
    """
    assert stack.inside("ingress", "python", "-c", script).strip() == "DOCQA_JOBS"


def test_the_image_s_bill_of_materials_is_what_is_in_it(image: Making, tmp_path: Path) -> None:
    image.wait()
    podman.run(
        [str(DEPLOY / "ci" / "image.sh"), IMAGE, str(tmp_path)], environment={"ENGINE": "podman", "BUILD": "false"}
    )
    bill = json.loads((tmp_path / "image-sbom.cdx.json").read_text())
    named = {part["purl"].partition("@")[0] for part in bill["components"]}
    assert {"pkg:deb/debian/libc6", "pkg:pypi/llama-cpp-python", "pkg:pypi/goblin-docqa"} <= named
    locked = re.findall(r"^([\w.-]+)==", (DEPLOY.parent / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    assert len([name for name in locked if f"pkg:pypi/{name.lower()}" in named]) > 40
    found = json.loads((tmp_path / "image.json").read_text())
    assert found["size_bytes"] == podman.inspected(IMAGE)["Size"]
    assert bill["metadata"]["component"]["hashes"][0]["content"] == found["id"].removeprefix("sha256:")


def test_the_image_is_small_enough_to_be_shipped(image: Making) -> None:
    image.wait()
    found: dict[str, Any] = podman.inspected(IMAGE)
    # The embedders, with what runs them, are 290 MB of these.
    assert found["Size"] < 1000 * 2**20
    assert found["Config"]["User"] == "10001:10001"
    keys = podman.podman("run", "--rm", "--entrypoint", "find", IMAGE, "/opt/docqa", "-name", "*.key")
    assert not keys, "a key is in the image"
