"""An HTTP client for smoke tests and canaries: many questions at a time, and every failure is returned, not raised.

Knows HTTP and the routes; its callers evaluate the answers.
"""

import asyncio
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec

from ops import transport
from ops.release import exposition
from ops.release.exposition import Exposition

_POLLS_EVERY_S: Final = 0.2
_ENDED: Final = ("done", "failed")
_WAIT_S: Final = 10
LONGEST_PAUSE_S: Final = 60.0


class Answer(msgspec.Struct, frozen=True):
    """A response; without one `status` is 0 and `error` says why."""

    status: int
    seconds: float
    document: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}
    text: str = ""
    error: str = ""

    @property
    def retry_after_s(self) -> float | None:
        """Whole seconds, as a 429 must carry them."""
        sent = self.headers.get("retry-after", "")
        return float(sent) if sent.isdecimal() else None

    @property
    def error_text(self) -> str:
        """What went wrong, for a person."""
        detail = self.document.get("detail") or self.document.get("title")
        return self.error or f"{self.status}{f': {detail}' if detail else ''}"


class Probe:
    """A connection to one target: a URL, or the path of a Unix socket."""

    def __init__(self, target: str, token: str | None, metrics: tuple[str, ...] = ()) -> None:
        """`metrics`: pages to read instead of the target's own; raises DocQAError for an invalid target."""
        self.target = target
        self._metrics = metrics
        self._http = transport.async_client(target, token, httpx.Timeout(_WAIT_S + 20, connect=5))

    async def get(self, path: str) -> Answer:
        return await self._send("GET", path)

    async def delete(self, path: str) -> Answer:
        return await self._send("DELETE", path)

    async def upload(self, name: str, content: bytes) -> Answer:
        """Bring a document into the asker's own space."""
        return await self._send("POST", "/api/documents", files={"file": (name, content)})

    async def search(self, query: str, document: str) -> Answer:
        """Passages of one document, by the library alone."""
        return await self._send("POST", "/api/search", json={"query": query, "documents": [document]})

    async def post(self, question: Mapping[str, Any], *, wait_s: int = _WAIT_S) -> Answer:
        """Ask one question; with `wait_s` 0 wait only until it is accepted."""
        prefer = f"wait={wait_s}" if wait_s else "respond-async"
        return await self._send("POST", "/api/query", json=question, headers={"Prefer": prefer})

    async def ask(self, question: Mapping[str, Any], within_s: float) -> Answer:
        """Ask one question and wait for its result, retrying refusals; the time counts from the accepted try."""
        deadline_s = time.monotonic() + within_s
        while True:
            answer = await self.post(question, wait_s=max(1, min(_WAIT_S, int(deadline_s - time.monotonic()))))
            pause_s = answer.retry_after_s if answer.status in (429, 503) and "location" not in answer.headers else None
            if pause_s is None or time.monotonic() + pause_s > deadline_s:
                break
            await asyncio.sleep(min(pause_s, LONGEST_PAUSE_S))
        if answer.status == 202 and (location := answer.headers.get("location")):
            return await self.follow(location, answer.seconds, deadline_s)
        return answer

    async def metrics(self) -> Exposition | str:
        """All pages added up, or why they cannot be read."""
        answers = await asyncio.gather(*(self.get(page) for page in self._metrics or ("/metrics",)))
        pages = []
        for answer in answers:
            if answer.status != 200:
                return answer.error_text
            try:
                pages.append(exposition.read(answer.text))
            except ValueError:
                return "the server there has no metrics"
        return exposition.merged(pages)

    async def follow(self, location: str, taken_s: float, deadline_s: float) -> Answer:
        """Poll an accepted job until it ends; `taken_s` have passed before."""
        began_s = time.monotonic()
        while time.monotonic() < deadline_s:
            answer = await self.get(location)
            if answer.status != 200 or answer.document.get("status") in _ENDED:
                return msgspec.structs.replace(answer, seconds=taken_s + time.monotonic() - began_s)
            await asyncio.sleep(_POLLS_EVERY_S)
        return Answer(0, taken_s + time.monotonic() - began_s, error="it did not end in time")

    async def _send(self, method: str, path: str, **options: Any) -> Answer:
        began_s = time.monotonic()
        try:
            response = await self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            seconds = time.monotonic() - began_s
            return Answer(0, seconds, error=f"nothing answers at {self.target} ({type(error).__name__})")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, time.monotonic() - began_s, _document(response), headers, response.text)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
