"""Clients with tokens, made and revoked by the command that operators use."""

import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.client import Client
from tests.support.processes import environment
from tests.support.stack import Stack


class Callers:
    """A file of tokens, and a client of a stack for each name in it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokens.json"
        self._tokens: dict[str, str] = {}

    def create(self, name: str, *options: str) -> str:
        """A new token of this name."""
        made = self._run("create", name, *options)
        self._tokens[name] = made["token"]
        return self._tokens[name]

    def revoke(self, which: str) -> None:
        self._run("revoke", which)

    @contextlib.asynccontextmanager
    async def client(self, stack: Stack, name: str) -> AsyncIterator[Client]:
        """A client with the last token of this name."""
        async with with_token(stack, self._tokens[name]) as client:
            yield client

    def _run(self, *arguments: str) -> dict[str, str]:
        command = [sys.executable, "-m", "ops", "tokens", *arguments, "--file", str(self.path), "--json"]
        done = subprocess.run(
            command, env=environment(self.path.parent, {}), capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return found if isinstance(found, dict) else {}


@contextlib.asynccontextmanager
async def with_token(stack: Stack, token: str, *, tcp: bool = False) -> AsyncIterator[Client]:
    async with stack.client(tcp=tcp) as client:
        client.http.headers["Authorization"] = f"Bearer {token}"
        yield client
