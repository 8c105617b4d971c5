"""What both services show of their process, and which jobs the objective for small ones counts."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from prometheus_client import REGISTRY

from contract import backup_status
from contract.bus import QueueState
from contract.messages import Answer, FailureCode, Query, Timings, Usage
from contract.runtime.metrics import ProcessCollector, count_redactions
from contract.runtime.resources import memory_limit_bytes
from inference_worker.monitoring import metrics
from ingress.middleware.metrics import show_queue

QUERY = Query(query="Who?", max_tokens=10)


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(name, labels)
    assert found is not None, f"{name}{labels} is not shown"
    return found


def answer(usage: Usage) -> Answer:
    timings = Timings(queued_ms=0, prefill_ms=0, decode_ms=0, total_ms=0)
    return Answer(id="", answer="", finish_reason="stop", model="m", usage=usage, timings=timings)


class Watched:
    """How much each of some counters grows."""

    def __init__(self, *names: str, **labels: str) -> None:
        self._names, self._labels = names, labels
        self._before = self._values()

    def growth(self) -> list[float]:
        return [now - before for now, before in zip(self._values(), self._before, strict=True)]

    def _values(self) -> list[float]:
        return [value(name, **self._labels) for name in self._names]


@pytest.mark.parametrize(
    ("usage", "size"),
    [
        (Usage(512, 64), "small"),
        (Usage(513, 64), "large"),
        (Usage(512, 65), "large"),
        (Usage(4000, 64, cached_tokens=3488), "small"),
        (Usage(4000, 64, cached_tokens=3487), "large"),
    ],
)
def test_a_job_is_small_by_what_had_to_be_read_and_made(usage: Usage, size: str) -> None:
    watched = Watched("docqa_job_duration_seconds_count", size=size)
    metrics.count_answer(answer(usage), 1.0)
    assert watched.growth() == [1]


def test_the_objective_s_border_is_a_bucket_as_prometheus_client_writes_it() -> None:
    before = value("docqa_job_duration_seconds_bucket", size="small", le="5.0")
    metrics.count_answer(answer(Usage(1, 1)), 5.0)
    metrics.count_answer(answer(Usage(1, 1)), 5.1)
    assert value("docqa_job_duration_seconds_bucket", size="small", le="5.0") == before + 1


@pytest.mark.parametrize(
    ("code", "age_s", "counted"),
    [
        ("engine-error", 0.1, 1),
        ("attempts-exhausted", 0.1, 1),
        ("deadline-exceeded", 5.0, 1),
        ("deadline-exceeded", 4.9, 0),
        ("cancelled", 60.0, 0),
        ("prompt-too-long", 60.0, 0),
    ],
)
def test_only_failures_by_our_fault_count_against_the_objective(code: FailureCode, age_s: float, counted: int) -> None:
    watched = Watched("docqa_slo_failures_total", size="small")
    failures = Watched("docqa_jobs_failed_total")
    metrics.count_failure(code, QUERY, age_s)
    assert (watched.growth(), failures.growth()) == ([counted], [1])


def test_a_job_without_an_answer_is_sorted_by_its_text() -> None:
    assert metrics.expected_size(QUERY) == "small"
    assert metrics.expected_size(Query(query="Who?", max_tokens=65)) == "large"
    assert metrics.expected_size(Query(query="Who?", context="x" * 4 * 520, max_tokens=10)) == "large"


@pytest.mark.parametrize(
    ("count", "names", "amount"),
    [
        (metrics.count_proxy_call, ("proxy_calls_total", "goblin_docqa_copilot_requests_total"), 1),
        (
            lambda: metrics.count_proxy_tokens(70),
            ("docqa_proxy_tokens_used_total", "goblin_docqa_copilot_tokens_used_total"),
            70,
        ),
        (
            lambda: metrics.count_inference(2.0),
            ("docqa_inference_latency_seconds_sum", "goblin_docqa_inference_latency_seconds_sum"),
            2.0,
        ),
    ],
)
def test_two_names_for_one_number_stay_the_same(
    count: Callable[[], None], names: tuple[str, str], amount: float
) -> None:
    watched = Watched(*names)
    count()
    assert watched.growth() == [amount, amount]


def test_redactions_are_counted_by_kind() -> None:
    count_redactions({"card": 1})
    watched = Watched("docqa_redactions_total", kind="card")
    count_redactions({"card": 2})
    assert watched.growth() == [2]


def test_the_queue_s_gauges_tell_waiting_stuck_and_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    show_queue(
        QueueState(depth=9, capacity=10, running=4, delivered_seq=4, pending=3, oldest_s=940.0), working=2, now_s=1000.0
    )
    shown = ("docqa_job_queue_length", "docqa_jobs_running", "goblin_docqa_inference_queue_length")
    assert [value(name) for name in shown] == [9, 4, 7]
    assert (value("docqa_stuck_messages"), value("docqa_oldest_job_age_seconds")) == (2, 60)
    show_queue(QueueState(depth=0, capacity=10, running=0, delivered_seq=9), working=2, now_s=1000.0)
    assert [value(name) for name in shown] == [0, 0, 0]
    assert (value("docqa_stuck_messages"), value("docqa_oldest_job_age_seconds")) == (0, 0)


def test_a_process_shows_its_memory_its_time_its_limit_and_its_version() -> None:
    families = {family.name: family for family in ProcessCollector("ingress").collect()}
    used = {sample.labels["type"]: sample.value for sample in families["goblin_docqa_process_memory_bytes"].samples}
    assert 0 < used["rss"] < used["vms"]
    assert families["goblin_docqa_process_cpu_seconds"].samples[0].value > 0
    assert families["docqa_memory_limit_bytes"].samples[0].value >= used["rss"]
    assert families["docqa_build_info"].samples[0].labels["service"] == "ingress"


@pytest.fixture
def cgroups(tmp_path: Path) -> Path:
    """A machine's control groups: a version 1 hierarchy and a version 2 one."""
    for folder in ("memory/docqa.slice/worker", "docqa.slice/worker"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("membership", "limits", "expected"),
    [
        ("0::/docqa.slice/worker\n", {"docqa.slice/worker/memory.max": "max"}, None),
        ("0::/docqa.slice/worker\n", {"docqa.slice/worker/memory.max": "1000"}, 1000),
        ("0::/docqa.slice/worker\n", {"docqa.slice/worker/memory.max": "1000", "docqa.slice/memory.max": "900"}, 900),
        ("0::/\n", {"memory.max": "800"}, 800),
        (
            "5:cpu,memory:/docqa.slice/worker\n0::/\n",
            {"memory/docqa.slice/worker/memory.limit_in_bytes": "700"},
            700,
        ),
        (
            "5:memory:/docqa.slice/worker\n",
            {"memory/docqa.slice/worker/memory.limit_in_bytes": "9223372036854771712"},
            None,
        ),
        ("4:cpu:/docqa.slice/worker\n", {"memory/docqa.slice/worker/memory.limit_in_bytes": "700"}, None),
    ],
)
def test_the_memory_limit_is_the_tightest_of_the_control_groups_or_the_machine_s(
    cgroups: Path, membership: str, limits: dict[str, str], expected: int | None
) -> None:
    for file, limit in limits.items():
        (cgroups / file).write_text(f"{limit}\n")
    (cgroups / "membership").write_text(membership)
    found = memory_limit_bytes(cgroups, cgroups / "membership")
    assert found == (expected or psutil.virtual_memory().total)


@pytest.mark.parametrize(
    ("note", "seconds"),
    [(None, 0.0), ('{"last_success_s": 1760000000.5, "files": 3}', 1760000000.5), ("{", 0.0), ("[]", 0.0)],
)
def test_the_last_backup_is_read_from_its_note(tmp_path: Path, note: str | None, seconds: float) -> None:
    if note is not None:
        (tmp_path / backup_status.FILE_NAME).write_text(note)
    assert backup_status.read(tmp_path).last_success_s == seconds
