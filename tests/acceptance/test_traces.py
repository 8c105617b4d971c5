"""One trace and one name through all processes: spans at a collector, and the lines of the log."""

import re
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from contract.messages import Query, encode
from contract.topology import JobName
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER_TRACE = "1bf7651916cd43dd8448eb211c80319c"
SPANS = {"POST /api/query", "publish", "wait", "job", "wait in the queue", "prefill", "decode", "reply"}
DIRECT = JobName("alice", "alice", "00000000-0000-7000-8000-000000000042")


class Collector(socketserver.ThreadingTCPServer):
    """Takes OTLP over HTTP and keeps each span as (trace, name, span, parent, service)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[tuple[str, str, str, str, str]] = []

    def of(self, trace: str) -> dict[str, tuple[str, str, str]]:
        """A trace's spans by name: span, parent, service."""
        return {name: (span, parent, service) for found, name, span, parent, service in self.spans if found == trace}


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for part in request.resource_spans:
            [service] = [it.value.string_value for it in part.resource.attributes if it.key == "service.name"]
            for scope in part.scope_spans:
                self.server.spans += [
                    (span.trace_id.hex(), span.name, span.span_id.hex(), span.parent_span_id.hex(), service)
                    for span in scope.spans
                ]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        yield collector
        collector.shutdown()


async def test_a_query_is_one_trace_from_http_to_its_reply_and_a_direct_publisher_s_goes_on(
    start: Start, collector: Collector
) -> None:
    """Every span has its parent in the trace, up to the span that the client named."""
    endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
    stack = start(environment={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"})
    async with stack.client() as client, stack.bus() as bus:
        answer = await client.http.post("/api/query", json={"query": "Who?"}, headers=traced(TRACE))
        assert answer.status_code == 200
        await bus.js.publish(DIRECT.subject, encode(Query(query="Who?")), headers=traced(OTHER_TRACE))
        await eventually(lambda: _has(collector, TRACE, SPANS), "all spans came")
        await eventually(lambda: _has(collector, OTHER_TRACE, {"job", "decode", "reply"}), "the direct job's came")
    spans = collector.of(TRACE)
    parents = {name: parent for name, (_, parent, _) in spans.items()}
    assert parents["POST /api/query"] == "b7ad6b7169203331"
    assert parents["publish"] == parents["wait"] == spans["POST /api/query"][0]
    assert parents["job"] == spans["publish"][0]
    assert {parents[name] for name in ("wait in the queue", "prefill", "decode", "reply")} == {spans["job"][0]}
    assert {service for _, _, service in spans.values()} == {"docqa-ingress", "docqa-worker"}
    assert collector.of(OTHER_TRACE)["job"][1] == "b7ad6b7169203331"


async def test_every_line_of_a_job_names_it_its_client_and_its_trace_and_none_has_its_text(echo: Stack) -> None:
    trace = "2bf7651916cd43dd8448eb211c80319c"
    async with echo.client() as client:
        key = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
        question = {"query": f"Xylophone {key}?", "context": "Zeppelin"}
        answer = await client.http.post("/api/query", json=question, headers=traced(trace))
        job_id = answer.json()["id"]

        async def lines() -> list[str]:
            return [_plain(line) for line in echo.log().splitlines() if trace in line or job_id in line]

        async def both_wrote() -> bool:
            return len(await lines()) >= 2

        await eventually(both_wrote, "ingress and worker wrote of it")
    for line in await lines():
        assert f"job=http.local.{job_id}" in line
        assert "client=local" in line
        assert f"traceparent=00-{trace}" in line
    services = {found for line in await lines() for found in re.findall(r"service=(\w+)", line)}
    assert services == {"ingress", "worker"}
    assert not [word for word in ("Xylophone", "Zeppelin", key) if word in echo.log()]


def traced(trace: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}


def _plain(line: str) -> str:
    """Without a terminal's colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


async def _has(collector: Collector, trace: str, names: set[str]) -> bool:
    return collector.of(trace).keys() >= names
