"""Makes the audit log's lines for requests to the API: who, what, with which outcome. Never any of their text.

An accepted question has a line at once, and another one when its client was answered or hung up.
"""

import ipaddress
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from ingress.asgi import App, Message, Receive, Scope, Send
from ingress.middleware.audit_log import AuditLog
from ingress.problems import MEDIA_TYPE

Decision = Literal["accepted", "answered", "cancelled", "erased", "failed", "hung-up", "read", "refused", "unknown"]

_KEY: Final = "docqa.record"
_DECISIONS: Final[Mapping[tuple[str, int], Decision]] = {
    ("POST", 200): "answered",
    ("POST", 202): "accepted",
    ("POST", 499): "hung-up",
    ("GET", 200): "read",
    ("DELETE", 200): "erased",
    ("DELETE", 202): "cancelled",
}
_APIS: Final = ("/api/", "/v1/")
_OUTSIDE_THE_API: Final = (401, 403, 421)
"""Statuses of refusals that are logged outside the API too."""


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. Sizes are in bytes; `type` is a problem's; `redactions` are counted by kind."""

    time: datetime
    client: str | None
    token: str | None = None
    address: str | None = None
    method: str
    route: str
    decision: Decision
    status: int = 0
    type: str | None = None
    job: str | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    redactions: dict[str, int] = {}
    ms: float = 0.0


class Record:
    """Receives what is known of a request on its way; this one drops it, for use without an audit log."""

    def asked(self, size_bytes: int) -> None:
        """The body was read."""

    def redacted(self, counts: Mapping[str, int]) -> None:
        """Secrets were redacted, counted by kind."""

    def named(self, job_id: str) -> None:
        """The request is about this job."""

    def accepted(self) -> None:
        """The job is on the stream."""

    def ended(self, decision: Decision) -> None:
        """Sets the outcome where the response's status does not show it."""


UNKEPT: Final = Record()


def record_of(scope: Scope) -> Record:
    """The record of this request."""
    record: Record = scope.get(_KEY, UNKEPT)
    return record


class _Kept(Record):
    """Writes lines to the audit log."""

    def __init__(self, log: AuditLog, scope: Scope) -> None:
        self._log = log
        self._scope = scope
        self._started_s = time.monotonic()
        self._request_bytes = 0
        self._redactions: dict[str, int] = {}
        self._job: str | None = None
        self._is_accepted = False
        self._decision: Decision | None = None

    def asked(self, size_bytes: int) -> None:
        self._request_bytes = size_bytes

    def redacted(self, counts: Mapping[str, int]) -> None:
        self._redactions = dict(counts)

    def named(self, job_id: str) -> None:
        self._job = job_id

    def accepted(self) -> None:
        self._is_accepted = True
        self._write("accepted")

    def ended(self, decision: Decision) -> None:
        self._decision = decision

    def close(self, response: "_Response") -> None:
        """The request is over."""
        route = self._scope.get("path_template", "")
        decision = self._decision or self._decide(response)
        if not route.startswith(_APIS) and response.status not in _OUTSIDE_THE_API:
            return
        # The line for "accepted" is written already.
        if decision != "accepted" or not self._is_accepted:
            self._write(decision, response)

    def _decide(self, response: "_Response") -> Decision:
        if response.problem == "outcome-unknown":
            return "unknown"
        if response.problem:
            return "failed" if self._is_accepted else "refused"
        return _DECISIONS.get((self._scope["method"], response.status), "hung-up" if not response.status else "refused")

    def _write(self, decision: Decision, response: "_Response | None" = None) -> None:
        response = response or _Response()
        caller = self._scope.get("user")
        line = Line(
            time=datetime.now(UTC),
            client=caller.client if caller else None,
            token=caller.token if caller else None,
            address=_address(self._scope),
            method=self._scope["method"],
            route=self._scope.get("path_template") or "unmatched",
            decision=decision,
            status=response.status,
            type=response.problem,
            job=self._job,
            request_bytes=self._request_bytes,
            response_bytes=response.size_bytes,
            redactions=self._redactions,
            ms=round((time.monotonic() - self._started_s) * 1000, 1),
        )
        self._log.write(msgspec.json.encode(line) + b"\n")


class _Response:
    """What was sent to the client, read from the ASGI messages so that no answer is missed."""

    def __init__(self) -> None:
        self.status = 0
        self.size_bytes = 0
        self.problem: str | None = None
        self._is_problem = self._is_error = False

    def on_message(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._is_problem = (b"content-type", MEDIA_TYPE.encode()) in message["headers"]
            self._is_error = self.status >= 400 and (b"content-type", b"application/json") in message["headers"]
        elif body := message.get("body"):
            self.size_bytes += len(body)
            if self._is_problem:
                self.problem = _problem_decoder.decode(body).type
            elif self._is_error:
                self.problem = _error_decoder.decode(body).error.kind


class _ProblemType(msgspec.Struct):
    type: str


class _ErrorKind(msgspec.Struct, frozen=True):
    kind: str | None = None


class _OpenAIError(msgspec.Struct, frozen=True):
    error: _ErrorKind = _ErrorKind()


_problem_decoder = msgspec.json.Decoder(_ProblemType)
_error_decoder = msgspec.json.Decoder(_OpenAIError)


class Audited:
    """Wraps an ASGI app and logs each request with its outcome."""

    def __init__(self, app: App, log: AuditLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        record, response = _Kept(self._log, scope), _Response()
        scope[_KEY] = record

        async def observed_send(message: Message) -> None:
            response.on_message(message)
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        finally:
            record.close(response)


def _address(scope: Scope) -> str | None:
    """The client's address, if it is one: a proxy's header may contain anything."""
    client = scope.get("client")
    try:
        return str(ipaddress.ip_address(client[0])) if client else None
    except ValueError:
        return None
