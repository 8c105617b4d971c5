"""Asks a system from outside, many questions at a time, and takes whatever comes as a fact: nothing here raises.

Knows HTTP and the routes; what is good or bad about an answer, its callers know.
"""

import asyncio
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec

from contract.errors import DocQAError
from ops.release import exposition
from ops.release.exposition import Exposition

_LOOKS_EVERY_S: Final = 0.2
_ENDED: Final = ("done", "failed")
_WAIT_S: Final = 10
LONGEST_PAUSE_S: Final = 60.0


class Answer(msgspec.Struct, frozen=True):
    """What came: `status` 0 and a `trouble` in words when nothing did."""

    status: int
    seconds: float
    document: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}
    text: str = ""
    trouble: str = ""

    @property
    def retry_after_s(self) -> float | None:
        """Whole seconds, as a 429 must carry them."""
        told = self.headers.get("retry-after", "")
        return float(told) if told.isdecimal() else None

    @property
    def words(self) -> str:
        """What went wrong, for a person."""
        said = self.document.get("detail") or self.document.get("title")
        return self.trouble or f"{self.status}{f': {said}' if said else ''}"


class Probe:
    """A connection to one target: a URL, or the path of a Unix socket."""

    def __init__(self, target: str, token: str | None, metrics: tuple[str, ...] = ()) -> None:
        """`metrics`: pages to read instead of the target's own; raises DocQAError for a target that can't be one."""
        self.target = target
        self._metrics = metrics
        is_url = "://" in target
        if is_url and not target.startswith(("http://", "https://")):
            raise DocQAError(f"{target} is neither an http(s) URL nor the path of a Unix socket.")
        self._http = httpx.AsyncClient(
            base_url=target if is_url else "http://docqa",
            transport=None if is_url else httpx.AsyncHTTPTransport(uds=target),
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=httpx.Timeout(_WAIT_S + 20, connect=5),
        )

    async def get(self, path: str) -> Answer:
        return await self._send("GET", path)

    async def delete(self, path: str) -> Answer:
        return await self._send("DELETE", path)

    async def post(self, question: Mapping[str, Any], *, wait_s: int = _WAIT_S) -> Answer:
        """One question; with `wait_s` 0 only its acceptance is waited for."""
        prefer = f"wait={wait_s}" if wait_s else "respond-async"
        return await self._send("POST", "/api/query", json=question, headers={"Prefer": prefer})

    async def ask(self, question: Mapping[str, Any], within_s: float) -> Answer:
        """One question to its end, however it is told: its seconds count from the first try that was accepted."""
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
        """All pages together, or why they can't be read."""
        answers = await asyncio.gather(*(self.get(page) for page in self._metrics or ("/metrics",)))
        pages = []
        for answer in answers:
            if answer.status != 200:
                return answer.words
            try:
                pages.append(exposition.read(answer.text))
            except ValueError:
                return "what answers there shows no metrics"
        return exposition.merged(pages)

    async def follow(self, location: str, taken_s: float, deadline_s: float) -> Answer:
        """Look at an accepted job until it ends; `taken_s` went by before."""
        began_s = time.monotonic()
        while time.monotonic() < deadline_s:
            answer = await self.get(location)
            if answer.status != 200 or answer.document.get("status") in _ENDED:
                return msgspec.structs.replace(answer, seconds=taken_s + time.monotonic() - began_s)
            await asyncio.sleep(_LOOKS_EVERY_S)
        return Answer(0, taken_s + time.monotonic() - began_s, trouble="it did not end in time")

    async def _send(self, method: str, path: str, **options: Any) -> Answer:
        began_s = time.monotonic()
        try:
            response = await self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            seconds = time.monotonic() - began_s
            return Answer(0, seconds, trouble=f"nothing answers at {self.target} ({type(error).__name__})")
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
