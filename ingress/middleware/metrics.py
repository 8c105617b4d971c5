"""What the ingress shows to Prometheus. Names that operators already have dashboards on are kept."""

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, generate_latest

from contract.bus import QueueState
from ingress.asgi import App, Message, Receive, Scope, Send, carry_headers, is_at, note_response

CONTENT_TYPE = CONTENT_TYPE_LATEST
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods counted by name; clients choose method names, so all others are counted as OTHER."""

QUEUE_LENGTH = Gauge("docqa_job_queue_length", "Jobs on the stream, waiting and running.")
QUEUE_CAPACITY = Gauge("docqa_job_queue_capacity", "The most jobs that the stream takes.")
JOBS_RUNNING = Gauge("docqa_jobs_running", "Those of the jobs on the stream that a worker holds.")
INFERENCE_QUEUE = Gauge("goblin_docqa_inference_queue_length", "Jobs on the stream that wait for the model.")
OLDEST_JOB = Gauge("docqa_oldest_job_age_seconds", "Age of the oldest job on the stream; 0 without one.")
STUCK = Gauge("docqa_stuck_messages", "Jobs on the stream that no worker will be given.")
RESULTS_FULL = Gauge("docqa_results_full", "1 while results can't be stored: the store is full, or its disk is.")
CLOCK_SKEW = Gauge("docqa_clock_skew_seconds", "How far the clock furthest from the bus's is ahead of it.")
WORKERS = Gauge("docqa_workers_live", "Workers that announced themselves within the last 15 s.")
FAILING = Gauge("docqa_failing", "1 while this part of the system fails in the way that /health reports.", ["part"])
BACKUP = Gauge("docqa_backup_last_success_timestamp_seconds", "Unix time of the last complete backup; 0: never.")
_OPEN = "docqa.metrics_are_open"
_NOWHERE = "/only-metrics-are-here"

REQUESTS = Counter(
    "goblin_docqa_requests_total", "Requests answered, by route template.", ["method", "endpoint", "status_code"]
)
REFUSED = Counter("docqa_requests_429_total", "Requests refused with 429.")
REFUSED_AT = Counter(
    "goblin_docqa_requests_429_total", "Requests refused with 429, by route template.", ["method", "endpoint"]
)
AUDIT_LOST = Counter("docqa_audit_lines_lost_total", "Lines of the audit log that could not be written.")


def exposition() -> bytes:
    """All metrics of this process in Prometheus' text format."""
    return generate_latest()


def show_queue(queue: QueueState, working: int, now_s: float) -> None:
    """Set the queue's gauges; `working` is how many of its jobs workers are answering, `now_s` the bus's time."""
    QUEUE_LENGTH.set(queue.depth)
    QUEUE_CAPACITY.set(queue.capacity)
    JOBS_RUNNING.set(queue.running)
    INFERENCE_QUEUE.set(max(queue.depth - working, 0))
    OLDEST_JOB.set(0 if queue.oldest_s is None else max(now_s - queue.oldest_s, 0))
    STUCK.set(queue.stuck)


def refused_total() -> int:
    """Requests that this process has refused with 429."""
    [metric] = REFUSED.collect()
    return int(next(sample.value for sample in metric.samples if sample.name.endswith("_total")))


def are_open(scope: Scope) -> bool:
    """True on the metrics address, whose readers the operator chooses by where it listens."""
    return _OPEN in scope


class Counted:
    """Wraps an ASGI app, counts its responses and adds the headers that `asgi.add_headers` has collected.

    On the metrics address it serves the metrics only.
    """

    def __init__(self, app: App, metrics_address: tuple[str, int]) -> None:
        self._app = app
        self._metrics_address = metrics_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if is_at(scope, self._metrics_address):
            scope[_OPEN] = True
            if scope["path"] != "/metrics":
                scope["path"], scope["raw_path"] = _NOWHERE, _NOWHERE.encode()
        status = 500

        async def counting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                note_response(scope, message)
                carry_headers(scope, message)
            await send(message)

        try:
            await self._app(scope, receive, counting_send)
        finally:
            _count(scope, status)


def _count(scope: Scope, status: int) -> None:
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    endpoint = scope.get("path_template") or "unmatched"
    REQUESTS.labels(method, endpoint, str(status)).inc()
    if status == 429:
        REFUSED.inc()
        REFUSED_AT.labels(method, endpoint).inc()
