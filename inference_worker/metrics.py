"""What the worker shows to Prometheus."""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# Each counter would otherwise show a second series with its birthday.
disable_created_metrics()  # type: ignore[no-untyped-call]

STARTED = Counter("docqa_jobs_started_total", "Jobs that entered the batch; every attempt counts.")
COMPLETED = Counter("docqa_jobs_completed_total", "Jobs that ended with an answer.")
FAILED = Counter("docqa_jobs_failed_total", "Jobs that ended without an answer, by reason.", ["code"])
DEAD_LETTERS = Counter("docqa_dead_letters_total", "Jobs that were put away for a replay, by reason.", ["reason"])
DURATION = Histogram(
    "docqa_job_duration_seconds",
    "From the stream's acceptance of a job to its result.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300),
)
SLOTS = Gauge("docqa_slots", "Queries that can share the model at a time.")
SLOTS_BUSY = Gauge("docqa_slots_busy", "Queries that share the model now.")
