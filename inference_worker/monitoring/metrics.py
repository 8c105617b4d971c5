"""The worker's Prometheus metrics. Names that operators already have dashboards on are kept.

Two names for one number are counted by one function, so that they can't come apart.
"""

from typing import Final, Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

from contract.messages import Answer, FailureCode, Query, Usage
from inference_worker.engines.base import Completion, cost_tokens

Size = Literal["small", "large"]
"""The service level objective covers small jobs only."""
SMALL_PROMPT_TOKENS: Final = 512
"""Of a small job's prompt no more than these had to be read; what was in the cache does not count."""
SMALL_ANSWER_TOKENS: Final = 64
SMALL_WITHIN_S: Final = 5.0
"""99% of small jobs end within this time."""

_JOB_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
_STEP_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

STARTED = Counter("docqa_jobs_started_total", "Jobs that entered the batch; every attempt counts.")
COMPLETED = Counter("docqa_jobs_completed_total", "Jobs that ended with an answer.")
FAILED = Counter("docqa_jobs_failed_total", "Jobs that ended without an answer.")
FAILURES = Counter("docqa_job_failures_total", "Jobs that ended without an answer, by reason.", ["code"])
SLO_FAILURES = Counter(
    "docqa_slo_failures_total",
    "Jobs that failed by our fault: in the engine, after all attempts, or at a deadline of 5 s or more.",
    ["size"],
)
DEAD_LETTERS = Counter("docqa_dead_letters_total", "Jobs stored as dead letters, by reason.", ["reason"])
REDELIVERIES = Counter("docqa_redeliveries_total", "Jobs that came again: given back, or after a crash.")
DURATION = Histogram(
    "docqa_job_duration_seconds",
    "From the stream's acceptance of a job to its answer; small: at most 512 prompt tokens not cached and 64 made.",
    ["size"],
    buckets=_JOB_BUCKETS_S,
)
QUEUE_WAIT = Histogram(
    "docqa_queue_wait_seconds", "From the stream's acceptance of a job to its start.", buckets=_JOB_BUCKETS_S
)
FIRST_TOKEN = Histogram(
    "docqa_time_to_first_token_seconds",
    "From the stream's acceptance of a job to the first piece of its answer.",
    buckets=_JOB_BUCKETS_S,
)
OLDEST_WAITING = Gauge("docqa_oldest_waiting_job_age_seconds", "Age of the oldest job that waits here; 0 without one.")

_INFERENCE = Histogram(
    "docqa_inference_latency_seconds", "From a job's start to its whole answer.", buckets=_JOB_BUCKETS_S
)
_INFERENCE_GOBLIN = Histogram(
    "goblin_docqa_inference_latency_seconds", "The same as docqa_inference_latency_seconds.", buckets=_JOB_BUCKETS_S
)
PREFILL = Histogram("docqa_prefill_seconds", "Reading a prompt, by the local model.", buckets=_STEP_BUCKETS_S)
DECODE = Histogram("docqa_decode_seconds", "Making an answer's tokens, by the local model.", buckets=_STEP_BUCKETS_S)
PROMPT_TOKENS = Counter("docqa_prompt_tokens_total", "Tokens of prompts that the local model answered.")
CACHED_TOKENS = Counter("docqa_cached_tokens_total", "Those of the prompt tokens that were in the model's memory.")
GENERATED_TOKENS = Counter("docqa_generated_tokens_total", "Tokens that the local model made.")
STEPS = Counter("docqa_step_seconds_total", "Steps of the local model, from planning to the last token.")
STEPS_LIBRARY = Counter("docqa_step_library_seconds_total", "Of docqa_step_seconds, those inside of llama.cpp.")
SLOTS = Gauge("docqa_slots", "Queries that can share the model at a time.")
SLOTS_BUSY = Gauge("docqa_slots_busy", "Queries that share the model now.")

LOCAL_CALLS = Counter("local_calls_total", "Answers made by the local model.")
_PROXY_CALLS = Counter("proxy_calls_total", "Requests to the proxy's API.")
_PROXY_CALLS_GOBLIN = Counter("goblin_docqa_copilot_requests_total", "The same as proxy_calls_total.")
_PROXY_TOKENS = Counter("docqa_proxy_tokens_used_total", "Tokens that the proxy's API charged, prompt and answer.")
_PROXY_TOKENS_GOBLIN = Counter("goblin_docqa_copilot_tokens_used_total", "The same as docqa_proxy_tokens_used_total.")
CACHE_HITS = Counter("docqa_answer_cache_hits_total", "Answers that were found in the cache of the proxy's answers.")
CACHE_MISSES = Counter("docqa_answer_cache_misses_total", "Questions that were not found in that cache.")
BUDGET_USED = Gauge("docqa_proxy_budget_used_tokens", "Tokens of today's budget for the proxy that are used up.")
BUDGET_LIMIT = Gauge("docqa_proxy_budget_limit_tokens", "Today's budget for the proxy; 0 without one.")

# Exported from the start: a counter that appears with its first event hides that event from `increase`.
for _code in get_args(FailureCode):
    FAILURES.labels(_code)
    DEAD_LETTERS.labels(_code)
for _size in get_args(Size):
    DURATION.labels(_size)
    SLO_FAILURES.labels(_size)


def size_of(usage: Usage) -> Size:
    """Whether the objective for small jobs counts this one."""
    has_small_prompt = usage.prompt_tokens - usage.cached_tokens <= SMALL_PROMPT_TOKENS
    return "small" if has_small_prompt and usage.completion_tokens <= SMALL_ANSWER_TOKENS else "large"


def expected_size(query: Query) -> Size:
    """The same for a job without an answer, estimated from its text."""
    prompt_tokens = cost_tokens(query, context_tokens=2**31) - query.max_tokens
    return size_of(Usage(prompt_tokens, query.max_tokens))


def count_answer(answer: Answer, age_s: float) -> None:
    """A job ended with an answer, `age_s` after the stream took it."""
    COMPLETED.inc()
    DURATION.labels(size_of(answer.usage)).observe(max(age_s, 0))


def count_failure(code: str, query: Query | None, age_s: float) -> None:
    """A job ended without an answer, `age_s` after the stream took it."""
    FAILED.inc()
    FAILURES.labels(code).inc()
    if query and _is_our_fault(code, age_s):
        SLO_FAILURES.labels(expected_size(query)).inc()


def count_step(step_s: float, library_s: float) -> None:
    """Count a step of the local model; `library_s` of its seconds were spent inside llama.cpp."""
    STEPS.inc(step_s)
    STEPS_LIBRARY.inc(library_s)


def count_work(completion: Completion, inference_s: float) -> None:
    """A backend made an answer, whether or not it becomes the result."""
    count_inference(inference_s)
    if completion.backend != "local":
        return
    LOCAL_CALLS.inc()
    PREFILL.observe(completion.prefill_ms / 1000)
    DECODE.observe(completion.decode_ms / 1000)
    PROMPT_TOKENS.inc(completion.usage.prompt_tokens)
    CACHED_TOKENS.inc(completion.usage.cached_tokens)
    GENERATED_TOKENS.inc(completion.usage.completion_tokens)


def count_inference(inference_s: float) -> None:
    """A backend made a whole answer in this time."""
    _INFERENCE.observe(inference_s)
    _INFERENCE_GOBLIN.observe(inference_s)


def count_proxy_call() -> None:
    """A request was sent to the proxy's API; a retry is another one."""
    _PROXY_CALLS.inc()
    _PROXY_CALLS_GOBLIN.inc()


def count_proxy_tokens(tokens: int) -> None:
    """The proxy's API charged these."""
    _PROXY_TOKENS.inc(tokens)
    _PROXY_TOKENS_GOBLIN.inc(tokens)


def _is_our_fault(code: str, age_s: float) -> bool:
    """A client may set a shorter deadline than we promise: such a failure says nothing about the service."""
    if code == "deadline-exceeded":
        return age_s >= SMALL_WITHIN_S
    return code in ("engine-error", "proxy-error", "attempts-exhausted")
