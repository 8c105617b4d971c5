"""Every subject, stream, bucket and header name, spelled once, and the names that may become part of one.

Knows nothing of connections: `contract.bus` makes what is named here.
"""

import hashlib
import re
from typing import Self

import msgspec
from uuid_utils import uuid8

from contract.errors import BadNameError

ACCOUNT = "DOCQA"

JOBS_STREAM = "DOCQA_JOBS"
JOBS_SUBJECTS = "docqa.jobs.*.*.*"
WORKER_DURABLE = "worker"

DEAD_STREAM = "DOCQA_DEAD"
DEAD_SUBJECTS = "docqa.dead.>"

RESULTS_BUCKET = "DOCQA_RESULTS"
STARTS_BUCKET = "DOCQA_STARTS"
CACHE_BUCKET = "DOCQA_CACHE"
"""The proxy's answers, by a hash of all that was asked."""
EVERYBODY = "ALL.ALL"
"""In the place of an owner in the cache's keys, where answers are shared: no publisher's name has capitals."""
BUDGET_BUCKET = "DOCQA_BUDGET"
"""What the proxy may still cost today."""
USAGE_BUCKET = "DOCQA_USAGE"
"""What was asked and answered, by day and client."""
META_BUCKET = "DOCQA_META"
"""What is known of the store itself: when it was restored."""
REPLAYS_BUCKET = "DOCQA_REPLAYS"
"""Under a dead letter's sequence: the id under which it was replayed."""

CANCEL_SUBJECTS = "docqa.cancel.>"
WORKER_SUBJECTS = "docqa.workers.>"
ROLL_CALL_SUBJECT = "docqa.workers"
"""Published by an ingress that has just connected: every worker answers with its announcement."""

HTTP_PUBLISHER = "http"
"""The ingress's name as a publisher; no direct publisher may take it."""

BODY_HASH_HEADER = "Docqa-Body-Sha256"
TRACE_HEADER = "traceparent"

_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_JOBS_PREFIX = "docqa.jobs."


class JobName(msgspec.Struct, frozen=True):
    """Who published a job, for which client, under which id: all that names it anywhere on the bus."""

    publisher: str
    client: str
    job_id: str

    def __post_init__(self) -> None:
        for field in ("publisher", "client"):
            if not _NAME.fullmatch(getattr(self, field)):
                raise BadNameError(f"The {field} must match [a-z0-9_-]{{1,64}}.")
        if not is_canonical_uuid(self.job_id):
            raise BadNameError("The job id must be a UUID in its canonical form.")

    @classmethod
    def from_subject(cls, subject: str) -> Self:
        """Parse `docqa.jobs.<publisher>.<client>.<job id>`; raises BadNameError."""
        tokens = subject.removeprefix(_JOBS_PREFIX).split(".")
        if not subject.startswith(_JOBS_PREFIX) or len(tokens) != 3:
            raise BadNameError("The subject is not docqa.jobs.<publisher>.<client>.<job id>.")
        return cls(*tokens)

    @property
    def key(self) -> str:
        """The key of its result and of its count of starts."""
        return f"{self.publisher}.{self.client}.{self.job_id}"

    @property
    def subject(self) -> str:
        return _JOBS_PREFIX + self.key

    @property
    def results_subject(self) -> str:
        return f"docqa.results.{self.key}"

    @property
    def tokens_subject(self) -> str:
        return f"docqa.tokens.{self.key}"

    @property
    def cancel_subject(self) -> str:
        return f"docqa.cancel.{self.key}"


def is_canonical_uuid(text: str) -> bool:
    """True for 8-4-4-4-12 lower-case hexadecimal digits and nothing else."""
    return _UUID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """True for what may stand as a publisher or a client in a subject."""
    return _NAME.fullmatch(text) is not None


def jobs_of(publisher: str) -> str:
    """What the subjects of all jobs of one publisher begin with."""
    return f"{_JOBS_PREFIX}{publisher}."


def dead_subject(reason: str, job_id: str) -> str:
    return f"docqa.dead.{reason}.{job_id}"


def worker_subject(worker_id: str) -> str:
    return f"docqa.workers.{worker_id}"


def results_subjects(publisher: str) -> str:
    """All live results of one publisher."""
    return f"docqa.results.{publisher}.>"


def tokens_subjects(publisher: str) -> str:
    """All token streams of one publisher."""
    return f"docqa.tokens.{publisher}.>"


def derived_id(*parts: str) -> str:
    """RFC 9562, version 8: the first bits of a SHA-256 of the parts (none holds a NUL)."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    high, middle, low = (int.from_bytes(digest[part]) for part in (slice(6), slice(6, 8), slice(8, 16)))
    return str(uuid8(high, middle & 0xFFF, low & (2**62 - 1)))
