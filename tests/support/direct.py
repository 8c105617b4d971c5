"""Direct publishers as a test makes and plays them: with `docqa publishers` and a bare NATS client."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.js.errors import APIError
from uuid_utils import uuid7

from contract.topology import JobName
from tests.support.stack import Stack

TIMEOUT_S = 60
FULL = "maximum messages exceeded"


def publishers(stack: Stack, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `docqa publishers` on the stack's data, while it runs or not."""
    command = [sys.executable, "-m", "ops", "publishers", *arguments, "--data-dir", str(stack.folder / "data")]
    return subprocess.run(
        command, env=stack.environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def changed(stack: Stack, *arguments: str) -> dict[str, Any]:
    """The same, where it must succeed; what it says as JSON."""
    found = publishers(stack, *arguments, "--json")
    assert found.returncode == 0, found.stderr
    said: dict[str, Any] = json.loads(found.stdout)
    return said


async def add(stack: Stack, name: str) -> Path:
    """A publisher's credentials, which the running bus knows."""
    said = await asyncio.to_thread(changed, stack, "add", name)
    assert said["applied"]
    return Path(said["credentials"])


class Publisher:
    """Publishes jobs under its name and notes what was accepted and what refused."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self.client = client
        self.accepted: list[JobName] = []
        self.refused = 0

    def job(self, client: str = "c1") -> JobName:
        return JobName(self.name, client, str(uuid7()))

    async def publish(self, query: str = "Who?", **fields: Any) -> JobName | None:
        """The job, or None when the queue is full."""
        job = self.job()
        body = json.dumps({"query": query, **fields}).encode()
        try:
            await self.client.jetstream(timeout=10).publish(job.subject, body)
        except APIError as error:
            if error.description != FULL:
                raise
            self.refused += 1
            return None
        self.accepted.append(job)
        return job


@contextlib.asynccontextmanager
async def publishing(name: str, credentials: Path) -> AsyncIterator[Publisher]:
    """A publisher connected with her credentials for the time of a block."""
    login = json.loads(credentials.read_bytes())
    client = Client()
    await client.connect(login["url"], user=login["user"], password=login["password"], error_cb=_ignore)
    try:
        yield Publisher(name, client)
    finally:
        await client.close()


async def _ignore(_: Exception) -> None:
    """nats-py would print a traceback."""
