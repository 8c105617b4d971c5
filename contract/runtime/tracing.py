"""Traces of a query from the HTTP request to its reply: W3C trace contexts, and who records the spans.

Does not import OpenTelemetry: without the extra `otel`, or unconfigured, contexts are only passed on.
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
    """Records spans. A context is a `traceparent`; None starts a new trace."""

    def span(
        self, name: str, parent: str | None, kind: Kind = "internal", **attributes: str
    ) -> AbstractContextManager[str]:
        """Record a span for the time of a block; yields the context for spans inside it."""

    def record(self, name: str, parent: str | None, start_s: float, end_s: float) -> None:
        """Record a span that has ended; times in Unix seconds."""

    def close(self) -> None:
        """Send unsent spans; takes a few seconds at most."""


class NoTracer:
    """Passes contexts on without recording, so that a query's lines can be found in every service's log."""

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
    """The trace context in the headers of a request or a message, if it is valid."""
    context = headers.get(topology.TRACE_HEADER, "")
    return context if _TRACEPARENT.fullmatch(context) else None


def new_traceparent() -> str:
    """A new context for a trace that is not recorded."""
    drawn = os.urandom(24).hex()
    return f"00-{drawn[:32]}-{drawn[32:]}-00"
