"""Trace contexts, and when spans are made at all."""

import subprocess
import sys
from collections.abc import Mapping

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from contract.errors import SettingsError
from contract.runtime.otel import OtelTracer
from contract.runtime.startup import tracer_from
from contract.runtime.tracing import NO_TRACER, new_traceparent, traceparent_of

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("header", "context"),
    [(PARENT, PARENT), ("", None), (PARENT.upper(), None), (f"{PARENT}\nX: y", None), ("00-1-2-3", None)],
)
def test_only_what_is_a_trace_context_is_taken_for_one(header: str, context: str | None) -> None:
    assert traceparent_of({"traceparent": header}) == context


def test_a_new_context_is_well_formed_and_its_own() -> None:
    contexts = {new_traceparent() for _ in range(50)}
    assert len(contexts) == 50
    assert all(traceparent_of({"traceparent": context}) == context for context in contexts)


def test_without_a_tracer_a_context_is_handed_on_or_drawn() -> None:
    with NO_TRACER.span("a", PARENT) as inside:
        assert inside == PARENT
    with NO_TRACER.span("a", None) as drawn:
        assert traceparent_of({"traceparent": drawn}) == drawn


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_no_span_is_made_unless_it_is_asked_for(environment: Mapping[str, str]) -> None:
    assert tracer_from(environment, "ingress") is NO_TRACER


def test_without_the_extra_an_endpoint_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "contract.runtime.otel", None)
    with pytest.raises(SettingsError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT: .*goblin-docqa\[otel\]"):
        tracer_from(ENDPOINT, "ingress")


def test_services_without_an_endpoint_import_no_opentelemetry() -> None:
    program = "import sys, ingress.__main__, inference_worker.__main__; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_spans_have_the_parents_that_they_were_given_and_no_text_of_errors() -> None:
    kept = InMemorySpanExporter()
    tracer = OtelTracer("ingress", kept)

    def fail() -> None:
        with tracer.span("outer", PARENT, "server", docqa_job="j") as outer:
            tracer.record("over", outer, 100.0, 101.5)
            raise ValueError("a secret question")

    with pytest.raises(ValueError, match="secret"):
        fail()
    tracer.close()
    over, outside = kept.get_finished_spans()
    assert outside.parent
    assert over.parent
    assert f"{outside.parent.trace_id:032x}" in PARENT
    assert over.parent.span_id == outside.context.span_id
    assert (over.start_time, over.end_time) == (100 * 10**9, 1015 * 10**8)
    assert outside.attributes == {"docqa.job": "j", "error.type": "ValueError"}
    assert not outside.events
