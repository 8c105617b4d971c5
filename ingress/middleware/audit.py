"""What the audit log says of each request to the API: who, what, what became of it. Never a word of its text.

A question that is accepted has a line at once, and another one when its client was answered or left.
"""

import ipaddress
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, get_args

import msgspec

from contract.messages import FailureCode
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
_JOB_ENDED: Final = frozenset(get_args(FailureCode)) - {"prompt-too-long", "too-many-secrets"}
"""Problems of a job that was accepted, by an earlier try perhaps; these two may be refused at the door too."""
_OUTSIDE_THE_API: Final = (401, 403, 421)
"""Refusals that are told wherever they happen."""


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
    """What is noted of a request on its way. This one forgets it: nobody keeps a log."""

    def asked(self, size_bytes: int) -> None:
        """The body has come."""

    def redacted(self, counts: Mapping[str, int]) -> None:
        """So many secrets of each kind were taken out."""

    def named(self, job_id: str) -> None:
        """The request is about this job."""

    def accepted(self) -> None:
        """The job is on the stream."""

    def ended(self, decision: Decision) -> None:
        """What became of the request, where its status does not say."""


UNKEPT: Final = Record()


def record_of(scope: Scope) -> Record:
    """The record of this request."""
    record: Record = scope.get(_KEY, UNKEPT)
    return record


class _Kept(Record):
    """Becomes lines of the audit log."""

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

    def close(self, told: "_Told") -> None:
        """The request is over."""
        route = self._scope.get("path_template", "")
        decision = self._decision or self._decide(told)
        if not route.startswith("/api/") and told.status not in _OUTSIDE_THE_API:
            return
        # That it was accepted is written already.
        if decision != "accepted" or not self._is_accepted:
            self._write(decision, told)

    def _decide(self, told: "_Told") -> Decision:
        if told.problem == "outcome-unknown":
            return "unknown"
        if told.problem:
            return "failed" if self._is_accepted or told.problem in _JOB_ENDED else "refused"
        return _DECISIONS.get((self._scope["method"], told.status), "hung-up" if not told.status else "refused")

    def _write(self, decision: Decision, told: "_Told | None" = None) -> None:
        told = told or _Told()
        caller = self._scope.get("user")
        line = Line(
            time=datetime.now(UTC),
            client=caller.client if caller else None,
            token=caller.token if caller else None,
            address=_address(self._scope),
            method=self._scope["method"],
            route=self._scope.get("path_template") or "unmatched",
            decision=decision,
            status=told.status,
            type=told.problem,
            job=self._job,
            request_bytes=self._request_bytes,
            response_bytes=told.size_bytes,
            redactions=self._redactions,
            ms=round((time.monotonic() - self._started_s) * 1000, 1),
        )
        self._log.write(msgspec.json.encode(line) + b"\n")


class _Told:
    """What the client was told: the log reads our own answers, so that none is missed."""

    def __init__(self) -> None:
        self.status = 0
        self.size_bytes = 0
        self.problem: str | None = None
        self._is_problem = False

    def hear(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._is_problem = (b"content-type", MEDIA_TYPE.encode()) in message["headers"]
        elif body := message.get("body"):
            self.size_bytes += len(body)
            if self._is_problem:
                self.problem = _problem_decoder.decode(body).type


class _ProblemType(msgspec.Struct):
    type: str


_problem_decoder = msgspec.json.Decoder(_ProblemType)


class Audited:
    """Wraps an ASGI app and writes down what it does for whom."""

    def __init__(self, app: App, log: AuditLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        record, told = _Kept(self._log, scope), _Told()
        scope[_KEY] = record

        async def heard_send(message: Message) -> None:
            told.hear(message)
            await send(message)

        try:
            await self._app(scope, receive, heard_send)
        finally:
            record.close(told)


def _address(scope: Scope) -> str | None:
    """Where the client is, if that is an address: a proxy's header may say anything."""
    client = scope.get("client")
    try:
        return str(ipaddress.ip_address(client[0])) if client else None
    except ValueError:
        return None
