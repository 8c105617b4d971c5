"""Where a query's time goes, from the HTTP request to its reply: W3C trace contexts, and who records the spans.

Knows no OpenTelemetry: without the extra `otel`, or with nothing configured, contexts are handed on, and that is all.
"""

import contextlib
import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final, Literal, Protocol

from contract import topology

Kind = Literal["server", "producer", "consumer", "internal"]

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Tracer(Protocol):
    """Makes spans. A context is a `traceparent`; None begins a trace of its own."""

    def span(
        self, name: str, parent: str | None, kind: Kind = "internal", **attributes: str
    ) -> AbstractContextManager[str]:
        """A span for the time of a block, and the context for what happens inside."""

    def record(self, name: str, parent: str | None, start_s: float, end_s: float) -> None:
        """A span that is over, by the wall clock."""

    def close(self) -> None:
        """Send what was not sent yet; takes a few seconds at most."""


class NoTracer:
    """Hands contexts on, so that the lines of a query can be found in every service's log."""

    def span(
        self, name: str, parent: str | None, kind: Kind = "internal", **attributes: str
    ) -> AbstractContextManager[str]:
        return contextlib.nullcontext(parent or new_traceparent())

    def record(self, name: str, parent: str | None, start_s: float, end_s: float) -> None:
        pass

    def close(self) -> None:
        pass


NO_TRACER: Final = NoTracer()


def traceparent_of(headers: Mapping[str, str]) -> str | None:
    """The trace context that a request or a message came with, if it is one."""
    context = headers.get(topology.TRACE_HEADER, "")
    return context if _TRACEPARENT.fullmatch(context) else None


def new_traceparent() -> str:
    """A context that nobody records."""
    drawn = os.urandom(24).hex()
    return f"00-{drawn[:32]}-{drawn[32:]}-00"
