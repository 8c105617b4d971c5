"""The ways in which queries enter the system: HTTP (Unix socket or TCP; waiting, polling, events, OpenAI's) and bus.

An entry point records the client's response in the query; the ledger compares that with what is stored.
"""

import json
from typing import Any, Final, Protocol

from uuid_utils import uuid7

from bench.harness.clock import Clock
from bench.harness.http_client import Connections, Response, post
from bench.harness.query import ACCEPTED, ENDED, NO_RESPONSE, Query, Refusal, derived_id
from contract import topology
from contract.bus import Bus
from contract.errors import AlreadyAcceptedError, BusError, BusUnavailableError, OutcomeUnknownError, QueueFullError
from contract.messages import body_hash
from contract.topology import JobName

TIMEOUT_S: Final = 150.0
"""Above the longest deadline of a job: no answer comes after it."""
BUS_PUBLISHER: Final = "bench"
_BROKE_INSIDE: Final = (500, 502, 504)
"""Without a failure code: an internal error, after which the state of the query is unknown."""
_ADDED: Final = ("\n\nThe documents don't seem to say this.", "\n\nSources:\n")
"""What /v1 adds to a text, see docs/use-it-from.md."""
_BROKEN: Final = (OSError, EOFError, ValueError, TimeoutError)


class EntryPoint(Protocol):
    """A way into the system."""

    def new(self, number: int, planned_s: float) -> Query:
        """A query for this entry point, with its id."""

    async def ask(self, query: Query, body: bytes, clock: Clock) -> None:
        """Send the query once, and record the response in it."""


class HttpEntryPoint:
    """POST /api/query with an `Idempotency-Key`, so that the job's id is known even if the connection breaks."""

    def __init__(
        self, address: str, run: str, *, token: str | None = None, waits: bool = True, events: bool = False
    ) -> None:
        self._connections = Connections(address)
        self._run = run
        self._name = "uds" if address.startswith("/") else "tcp"
        self._client = "default" if token else "local"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        if not waits:
            self._headers["Prefer"] = "respond-async"
        if events:
            self._headers["Accept"] = "text/event-stream"

    def new(self, number: int, planned_s: float) -> Query:
        key = f"{self._run}-{number}"
        return Query(
            number=number, key=key, publisher=topology.HTTP_PUBLISHER, client=self._client,
            job_id=derived_id(self._client, key), entry_point=self._name, planned_s=planned_s,
        )  # fmt: skip

    def close(self) -> None:
        """Close idle connections."""
        self._connections.close()

    def _request(self, query: Query, body: bytes) -> bytes:
        return post("/api/query", body, {**self._headers, "Idempotency-Key": query.key})

    def _understood(self, response: Response) -> Response:
        """The response in the form of /api/query."""
        return response

    async def ask(self, query: Query, body: bytes, clock: Clock) -> None:
        request = self._request(query, body)
        began_s = _begin(query, clock)

        def on_chunk(chunk: bytes) -> None:
            if query.accepted_s is None:
                query.accepted_s = clock.now_s()
            if query.first_token_s is None and b"event: token" in chunk:
                query.first_token_s = clock.now_s() - query.planned_s

        try:
            response = await self._connections.exchange(request, TIMEOUT_S, on_chunk)
        except _BROKEN as error:
            _end(query, clock, began_s, NO_RESPONSE, problem=type(error).__name__)
            return
        _record(query, self._understood(response), clock, began_s)


class OpenAIEntryPoint(HttpEntryPoint):
    """POST /v1/chat/completions: the same questions in OpenAI's form."""

    def _request(self, query: Query, body: bytes) -> bytes:
        fields = json.loads(body)
        asked = {"model": "docqa", "messages": [{"role": "user", "content": fields.pop("query")}], **fields}
        return post("/v1/chat/completions", json.dumps(asked).encode(), {**self._headers, "Idempotency-Key": query.key})

    def _understood(self, response: Response) -> Response:
        document = _json(response.body)
        if error := document.get("error"):
            plain: dict[str, Any] = {"type": error.get("kind") or error.get("code")}
        else:
            plain = _plain(document)
        return Response(response.status, response.headers, json.dumps(plain).encode())


def _plain(completion: dict[str, Any]) -> dict[str, Any]:
    """A completion as /api/query would have answered; what was added to the model's text is left out."""
    usage = completion.get("usage", {})
    content = completion["choices"][0]["message"]["content"]
    for added in _ADDED:
        content = content.partition(added)[0]
    cached = usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    return {
        "id": completion["id"].removeprefix("chatcmpl-"),
        "answer": content,
        "usage": {**usage, "cached_tokens": cached},
    }


class BusEntryPoint:
    """Publishes jobs to the stream, like a direct publisher; the PubAck means accepted."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def new(self, number: int, planned_s: float) -> Query:
        job_id = str(uuid7())
        return Query(
            number=number, key=job_id, publisher=BUS_PUBLISHER, client="bench",
            job_id=job_id, entry_point="bus", planned_s=planned_s,
        )  # fmt: skip

    async def ask(self, query: Query, body: bytes, clock: Clock) -> None:
        began_s = _begin(query, clock)
        body = b'{"v":1,' + body[1:]
        job = JobName(query.publisher, query.client, query.job_id)
        try:
            await self._bus.publish_job(job, body, {topology.BODY_HASH_HEADER: body_hash(body)})
        except AlreadyAcceptedError:
            _end(query, clock, began_s, 202)
        except QueueFullError:
            _end(query, clock, began_s, 429, problem="queue-full")
        except OutcomeUnknownError:
            _end(query, clock, began_s, NO_RESPONSE, problem="outcome-unknown")
        except BusUnavailableError:
            _end(query, clock, began_s, 503, problem="bus-unavailable")
        except BusError as error:
            _end(query, clock, began_s, NO_RESPONSE, problem=str(error))
        else:
            _end(query, clock, began_s, 202)


def _begin(query: Query, clock: Clock) -> float:
    now_s = clock.now_s()
    query.sent_s = query.sent_s or now_s
    query.tries += 1
    return now_s


def _record(query: Query, response: Response, clock: Clock, began_s: float) -> None:
    is_stream = "event-stream" in response.headers.get("content-type", "")
    status, document = _last_event(response.body) if is_stream else (response.status, _json(response.body))
    problem = str(document.get("code") or document.get("type", "")).rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    if status == 503 and "location" in response.headers:
        status, problem = NO_RESPONSE, "outcome-unknown"
    if status in ACCEPTED or problem in ENDED:
        query.job_id = document.get("id") or query.job_id
    query.answer = document.get("answer")
    usage = document.get("usage", {})
    query.tokens = usage.get("completion_tokens", 0)
    query.uncached_tokens = usage.get("prompt_tokens", 0) - usage.get("cached_tokens", 0)
    retry_after = response.headers.get("retry-after", "")
    _end(query, clock, began_s, status, problem, int(retry_after) if retry_after.isdigit() else None)
    if not is_stream and (total_ms := document.get("timings", {}).get("total_ms")) is not None:
        # A waiting POST learns of its acceptance only with the answer, which says how long ago that was.
        query.accepted_s = max(query.ended_s - total_ms / 1000, began_s)


def _end(
    query: Query, clock: Clock, began_s: float, status: int, problem: str = "", retry_after_s: int | None = None
) -> None:
    query.ended_s, query.status, query.problem = clock.now_s(), status, problem
    if status in ACCEPTED or problem in ENDED:
        query.was_accepted = True
        query.accepted_s = query.accepted_s or query.ended_s
    elif status == NO_RESPONSE or status in _BROKE_INSIDE:
        query.was_uncertain = True
    else:
        # The first try counts from its planned arrival, later ones from their sending.
        since_s = query.planned_s if query.tries == 1 else began_s
        query.refusals.append(Refusal(query.ended_s, query.ended_s - since_s, status, retry_after_s))


def _last_event(body: bytes) -> tuple[int, dict[str, Any]]:
    """The status that the last event of a stream corresponds to, and its data."""
    *_, last = body.replace(b"\r\n", b"\n").strip().split(b"\n\n")
    fields = dict(line.split(": ", 1) for line in last.decode().splitlines() if ": " in line)
    status = {"result": 200, "error": 500, "accepted": 202}.get(fields.get("event", ""), NO_RESPONSE)
    return status, _json(fields.get("data", "").encode())


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
