"""Asks one question of a batch until it has ended, through refusals, restarts and broken connections.

A refusal is obeyed to the second. Whatever breaks, the same body goes again under the same key: it is one job.
"""

import asyncio
import time
from typing import Any, Final

import httpx

from contract.errors import DocQAError
from ops.batch.journal import Ending
from ops.errors import TryLaterError

_WAIT_S: Final = 30
_TIMEOUT: Final = httpx.Timeout(_WAIT_S + 30, connect=5)
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
GIVES_UP_AFTER_S: Final = 600.0
"""How long the system may be unavailable before the batch stops; the same command goes on later."""
_POLLS_EVERY_S: Final = 2.0
_OF_THE_QUESTION: Final = frozenset({"budget-exhausted"})
"""503s that are the question's own end, and not the system's state."""


_TEMPORARY: Final = frozenset({"deadline-exceeded", "document-not-ready"})
"""Failures after which the same key is another try: others' questions came first, or the document is being read."""
_MOST_TRIES: Final = 5


class Asker:
    """One system, asked over `http`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._unavailable_since_s: float | None = None
        self.refusals = 0

    async def ask(self, body: dict[str, Any], key: str) -> Ending:
        """How the question ended. Raises TryLaterError when the system stays unavailable, DocQAError without access."""
        headers, pause_s = {"Idempotency-Key": key, "Prefer": f"wait={_WAIT_S}"}, _FIRST_PAUSE_S
        tries_left = _MOST_TRIES - 1
        while True:
            try:
                response = await self._http.post("/api/query", json=body, headers=headers, timeout=_TIMEOUT)
                while response.status_code == 202 or _is_unfinished(response):
                    location = response.headers.get("location") or str(response.request.url.path)
                    await asyncio.sleep(_POLLS_EVERY_S)
                    response = await self._http.get(location, timeout=_TIMEOUT)
            except httpx.TransportError as error:
                self._note_unavailable(f"The connection broke ({type(error).__name__}).")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            wait_s = self._wait_s(response)
            if wait_s is None:
                ending = _ending(response)
                if ending.code not in _TEMPORARY or not tries_left:
                    return ending
                tries_left -= 1
            await asyncio.sleep(wait_s or _FIRST_PAUSE_S)

    def _wait_s(self, response: httpx.Response) -> float | None:
        """How long to wait before the question goes again; None when it has ended."""
        if response.status_code in (401, 403):
            raise DocQAError(str(_document(response).get("detail") or "The system needs a token: set DOCQA_TOKEN."))
        is_elsewhere = response.status_code == 404 and response.request.method == "GET"
        is_down = response.status_code == 503 and _document(response).get("type") not in _OF_THE_QUESTION
        if response.status_code != 429 and not is_down and not is_elsewhere:
            self._unavailable_since_s = None
            return None
        if is_down:
            self._note_unavailable(str(_document(response).get("detail", "The system is unavailable.")))
        if response.status_code == 429:
            self._unavailable_since_s = None
            self.refusals += 1
        return float(response.headers.get("retry-after", 1))

    def _note_unavailable(self, reason: str) -> None:
        now_s = time.monotonic()
        self._unavailable_since_s = self._unavailable_since_s or now_s
        if now_s - self._unavailable_since_s > GIVES_UP_AFTER_S:
            raise TryLaterError(f"The system was unavailable for {GIVES_UP_AFTER_S / 60:g} minutes: {reason}")


def _is_unfinished(response: httpx.Response) -> bool:
    return response.status_code == 200 and _document(response).get("status") in ("queued", "running")


def _ending(response: httpx.Response) -> Ending:
    document = _document(response)
    if response.status_code == 200 and document.get("status") == "done":
        return Ending(answer=document)
    code = str(document.get("code") or document.get("type") or f"status-{response.status_code}")
    return Ending(code=code, detail=str(document.get("detail") or document.get("title") or "No reason was given."))


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
