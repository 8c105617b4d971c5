"""Records spans with OpenTelemetry and sends them over OTLP/HTTP. The only importer of the optional extra `otel`.

Endpoint, headers, sampling and batching are OpenTelemetry's own variables, read by its SDK.
"""

import contextlib
from collections.abc import Iterator
from importlib.metadata import version
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contract.runtime.tracing import Kind
from contract.topology import TRACE_HEADER

_KINDS: Final = {
    "server": SpanKind.SERVER,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class OtelTracer:
    """Records spans with explicit parents, independent of the running task or thread."""

    def __init__(self, service: str, exporter: SpanExporter | None = None) -> None:
        """Sends to the endpoint that the environment names, unless another `exporter` is given."""
        resource = Resource.create({"service.name": f"docqa-{service}", "service.version": version("goblin-docqa")})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("goblin-docqa")

    @contextlib.contextmanager
    def span(self, name: str, parent: str | None, kind: Kind = "internal", **attributes: str) -> Iterator[str]:
        """Record a span; an error's class is noted, never its text."""
        span = self._start(name, parent, kind)
        for key, value in attributes.items():
            span.set_attribute(key.replace("_", "."), value)
        try:
            yield _context_of(span)
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            span.end()

    def record(self, name: str, parent: str | None, start_s: float, end_s: float) -> None:
        self._start(name, parent, "internal", _ns(start_s)).end(_ns(max(start_s, end_s)))

    def close(self) -> None:
        self._provider.shutdown()

    def _start(self, name: str, parent: str | None, kind: Kind, start_ns: int | None = None) -> Span:
        # From an empty context, never from the current one.
        context = set_span_in_context(INVALID_SPAN)
        if parent:
            context = _PROPAGATOR.extract({TRACE_HEADER: parent}, context=context)
        return self._tracer.start_span(name, context, _KINDS[kind], start_time=start_ns)


def _context_of(span: Span) -> str:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, set_span_in_context(span))
    return carrier[TRACE_HEADER]


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
