"""How a client wants its answer: parses the headers Prefer, Accept and Idempotency-Key."""

import re
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.datastructures import Headers

from ingress.problems import Problem

MAX_KEY_CHARS: Final = 255
EVENT_STREAM: Final = "text/event-stream"

_JSON: Final = "application/json"
_WEIGHT = re.compile(r"q\s*=\s*([01](?:\.[0-9]{0,3})?)")
_WAIT = re.compile(r"wait=([0-9]{1,9})")
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_CHARS}}}")


class Preference(msgspec.Struct, frozen=True):
    """`Prefer: respond-async, wait=N` (RFC 7240), an event stream, and the key that makes a retry the same job."""

    respond_async: bool = False
    wait_s: float | None = None
    events: bool = False
    key: str | None = None

    @classmethod
    def of(cls, request: Request[Any, Any, Any]) -> "Preference":
        """Raises Problem for an invalid key; unknown preferences are ignored."""
        headers = request.headers
        wishes = _members(headers, "prefer")
        waits = [float(wait[1]) for wish in wishes if (wait := _WAIT.fullmatch(wish))]
        return cls("respond-async" in wishes, waits[0] if waits else None, _prefers_events(headers), _key(headers))

    @property
    def returns_later(self) -> bool:
        """True when the client can ask for the result later: then a hang-up does not cancel the job."""
        return self.respond_async or self.key is not None

    def longest_wait_s(self, limit_s: float) -> float:
        """How long to wait for the answer, in seconds: what the client prefers, `limit_s` at most."""
        return limit_s if self.wait_s is None else min(self.wait_s, limit_s)

    @property
    def waits(self) -> bool:
        return not self.respond_async or self.wait_s is not None


def _prefers_events(headers: Headers) -> bool:
    """True when an event stream is accepted, with no lower weight than JSON (RFC 9110, 12.4.2)."""
    weights = {kind: weight for kind, weight in map(_weighted, _members(headers, "accept"))}
    return weights.get(EVENT_STREAM, 0.0) > 0 and weights[EVENT_STREAM] >= weights.get(_JSON, 0.0)


def _weighted(member: str) -> tuple[str, float]:
    kind, *parameters = (part.strip() for part in member.split(";"))
    found = [match for parameter in parameters if (match := _WEIGHT.fullmatch(parameter))]
    return kind, float(found[0][1]) if found else 1.0


def _members(headers: Headers, name: str) -> list[str]:
    """The members of a list that may be spread over several headers (RFC 9110, 5.3), in lower case."""
    return [member.strip().lower() for line in headers.getall(name, []) for member in line.split(",")]


def _key(headers: Headers) -> str | None:
    key: str | None = headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise Problem(
            400,
            "bad-request",
            "The request can't be understood",
            f"Header `Idempotency-Key`: expected 1 to {MAX_KEY_CHARS} visible ASCII characters.",
        )
    return key
