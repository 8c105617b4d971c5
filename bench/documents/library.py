"""A system's documents over HTTP: brought in, awaited, searched. Knows no measure."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import httpx

from bench.harness.errors import BenchError

UPLOADS_AT_ONCE: Final = 8
_TIMEOUT: Final = httpx.Timeout(60, connect=5)
_LOOKS_EVERY_S: Final = 0.2
_AGAIN_AFTER_S: Final = 0.3


class Documents:
    """The client of one system, which may be unavailable for moments."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def bring_in(self, name: str, content: bytes) -> str:
        """Upload until it is accepted; the document's id."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                response = await self._http.post("/api/documents", files={"file": (name, content)})
                if response.status_code in (200, 202):
                    return str(response.json()["id"])
                if response.status_code not in (429, 502, 503):
                    raise BenchError(f"{name} was refused with {response.status_code}: {response.text}")
                await asyncio.sleep(float(response.headers.get("Retry-After", _AGAIN_AFTER_S)))
                continue
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def bring_all_in(self, files: Iterable[tuple[str, bytes]]) -> dict[str, str]:
        """Under each name: the document's id."""
        slots = asyncio.Semaphore(UPLOADS_AT_ONCE)

        async def one(name: str, content: bytes) -> tuple[str, str]:
            async with slots:
                return name, await self.bring_in(name, content)

        return dict(await asyncio.gather(*(one(name, content) for name, content in files)))

    async def settled(self, document: str) -> dict[str, Any]:
        """Its status once it is ready or failed."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                response = await self._http.get(f"/api/documents/{document}")
                if response.status_code == 200 and response.json()["state"] in ("ready", "failed"):
                    return dict(response.json())
            await asyncio.sleep(_LOOKS_EVERY_S)

    async def all_settled(self, documents: Iterable[str]) -> list[dict[str, Any]]:
        return [await self.settled(document) for document in documents]

    async def with_vectors(self, document: str) -> None:
        """Until it is found by meaning too."""
        while (await self.settled(document))["vectors"] == "waiting":
            await asyncio.sleep(_LOOKS_EVERY_S)

    async def search(self, query: str, limit: int = 5) -> tuple[list[dict[str, Any]], float]:
        """The hits, and how long they took in seconds."""
        began_s = time.monotonic()
        response = await self._http.post("/api/search", json={"query": query, "limit": limit})
        took_s = time.monotonic() - began_s
        return list(response.json().get("hits", [])), took_s

    async def ask(self, question: dict[str, Any]) -> None:
        """Wait for an answer, or some time after a refusal."""
        response = await self._http.post("/api/query", json=question)
        if response.status_code != 200:
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def text(self, document: str) -> str:
        response = await self._http.get(f"/api/documents/{document}/text")
        return str(response.json().get("text", ""))

    async def names(self) -> list[str]:
        """Of all documents, one for each."""
        found: list[str] = []
        cursor = ""
        while True:
            page = (await self._http.get("/api/documents", params={"limit": 1000, "cursor": cursor})).json()
            found += [one["name"] for one in page["documents"] if one["state"] == "ready"]
            cursor = page.get("cursor", "")
            if not cursor:
                return found


@contextlib.asynccontextmanager
async def documents_of(uds: str) -> AsyncIterator[Documents]:
    """Of the system at this Unix socket."""
    transport = httpx.AsyncHTTPTransport(uds=uds)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=_TIMEOUT) as http:
        yield Documents(http)
