"""How a job ends: the result to store and, where a replay may help, the dead letter to keep. Pure: touches no bus."""

from typing import Any, Final

import msgspec
from msgspec import UNSET

from contract.errors import BadMessageError, BudgetExhaustedError, EngineError, PromptTooLongError, TooManySecretsError
from contract.messages import Answer, DeadLetter, Failure, Query, Result, Timings, body_hash
from contract.redaction.redactor import Redactor
from contract.sanitize import sanitize, sanitize_question
from contract.topology import JobName
from inference_worker.engines.base import Completion
from inference_worker.jobs.job import Job

MAX_DETAIL_CHARS: Final = 2000
"""A detail may quote what somebody else said, of any length."""


class Outcome(msgspec.Struct, frozen=True):
    """A job's end. A dead letter is stored before the result, and the job is terminated instead of acked."""

    result: Result
    dead_letter: DeadLetter | None = None

    @property
    def label(self) -> str:
        """For the log: who answered, or the failure's code."""
        return self.result.backend if isinstance(self.result, Answer) else self.result.code


def answered(job: Job, name: JobName, completion: Completion, model: str, started_s: float, ended_s: float) -> Outcome:
    """The engine's completion as an answer; when the engine got the job and when it was done, by the bus's clock."""
    return Outcome(
        Answer(
            id=name.job_id,
            answer=completion.text,
            finish_reason=completion.finish_reason,
            model=model,
            backend=completion.backend,
            usage=completion.usage,
            timings=Timings(
                queued_ms=_ms(started_s - job.accepted_s),
                prefill_ms=round(completion.prefill_ms, 1),
                decode_ms=round(completion.decode_ms, 1),
                total_ms=_ms(ended_s - job.accepted_s),
            ),
            body_sha256=body_hash(job.body),
            cache_key=completion.cache_key or UNSET,
            **msgspec.structs.asdict(completion.grounds),
        )
    )


def failed(job: Job, name: JobName, code: str, detail: str, **members: Any) -> Outcome:
    """A failure that no replay would mend; `members` are further fields of `Failure`."""
    return Outcome(_failure(job, name, code, detail, **members))


def dead_lettered(
    job: Job, name: JobName, code: str, detail: str, redactor: Redactor, attempts: int, **members: Any
) -> Outcome:
    """A failure whose job is kept, so that `docqa dead replay` can ask again."""
    failure = _failure(job, name, code, detail, attempts=attempts, dead_letter=True, **members)
    return Outcome(failure, letter_of(job, code, detail, redactor, attempts))


def engine_failed(job: Job, name: JobName, error: EngineError, redactor: Redactor, attempts: int) -> Outcome:
    """The end after an engine's error when no further attempt is made."""
    if not error.is_replayable:
        return failed(job, name, error.code, str(error), attempts=attempts)
    resets_at = error.resets_at if isinstance(error, BudgetExhaustedError) else None
    return dead_lettered(job, name, error.code, str(error), redactor, attempts, resets_at=resets_at or UNSET)


def prompt_too_long(job: Job, name: JobName, error: PromptTooLongError) -> Outcome:
    """A failure that says by how much the context must shrink."""
    return failed(
        job,
        name,
        "prompt-too-long",
        str(error),
        prompt_tokens=error.prompt_tokens,
        limit_tokens=error.limit_tokens,
        cut_chars=error.cut_chars,
    )


def too_late(job: Job, name: JobName, deadline_s: float) -> Outcome:
    """The deadline passed before the answer was complete."""
    detail = (
        f"No answer was made within {deadline_s:g} s: ask again with a later `deadline_s`, or with a shorter context."
    )
    return failed(job, name, "deadline-exceeded", detail)


def too_large(job: Job, name: JobName, result: Result, size_bytes: int) -> Outcome:
    """The failure in place of an answer that is larger than the bus accepts; asking again would make it again."""
    code: str = "proxy-error" if isinstance(result, Answer) and result.backend != "local" else "engine-error"
    detail = f"The answer has {size_bytes} bytes, more than the bus accepts: ask with smaller `max_tokens`."
    return failed(job, name, code, detail)


def letter_of(job: Job, code: str, detail: str, redactor: Redactor, attempts: int = 0) -> DeadLetter:
    """What is kept of a job: sanitized; of a body that can't be read only its size and hash."""

    def clean(text: str) -> str:
        try:
            return sanitize(text, redactor).text
        except TooManySecretsError:
            return "[REDACTED:too-many-secrets]"

    return DeadLetter(
        subject=clean(job.subject),
        reason=code,
        detail=clean(detail[:MAX_DETAIL_CHARS]),
        attempts=attempts,
        headers={clean(key): clean(value) for key, value in job.headers.items()},
        size_bytes=len(job.body),
        sha256=body_hash(job.body),
        query=_outward(job.query, redactor),
    )


def _outward(query: Query | None, redactor: Redactor) -> Query | None:
    """As it may be kept: without what stays in texts for local use. None where nothing of it is left."""
    try:
        return sanitize_question(query, redactor)[0] if query else None
    except (TooManySecretsError, BadMessageError):
        return None


def _failure(job: Job, name: JobName, code: str, detail: str, **members: Any) -> Failure:
    detail = detail[:MAX_DETAIL_CHARS]
    return Failure(id=name.job_id, code=code, detail=detail, body_sha256=body_hash(job.body), **members)


def _ms(seconds: float) -> float:
    return round(max(seconds, 0) * 1000, 1)
