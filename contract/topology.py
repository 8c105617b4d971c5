"""Every subject, stream, bucket and header name, spelled once, and the rules for names inside them.

Knows nothing of connections: `contract.bus` creates what is named here.
"""

import hashlib
import re
from typing import Literal, Self

import msgspec
from uuid_utils import uuid8

from contract.errors import BadNameError

ACCOUNT = "DOCQA"

JOBS_STREAM = "DOCQA_JOBS"
JOBS_SUBJECTS = "docqa.jobs.*.*.*"
WORKER_DURABLE = "worker"

DEAD_STREAM = "DOCQA_DEAD"
DEAD_SUBJECTS = "docqa.dead.>"

READ_STREAM = "DOCQA_READ"
READ_SUBJECTS = "docqa.read.*.*.*"
"""Results that their asker has read, in the order of reading."""

IMPORTS_STREAM = "DOCQA_IMPORTS"
IMPORTS_SUBJECTS = "docqa.imports.*.*.*.*"
LIBRARY_DURABLE = "library"

LibraryOperation = Literal[
    "read", "search", "status", "list", "spaces", "text", "original", "scan", "put", "delete", "erased", "snapshot"
]
LIBRARY_SUBJECTS = "docqa.library.*.*.*"
"""Requests to the library, and its notices of what was erased."""
ERASED_SUBJECTS = "docqa.library.erased.*.*"

ROOT_SPACE = "root"
"""The space of the files below DOCQA_ROOT; no shared space may take this name."""

RESULTS_BUCKET = "DOCQA_RESULTS"
STARTS_BUCKET = "DOCQA_STARTS"
CACHE_BUCKET = "DOCQA_CACHE"
"""The proxy's answers, keyed by a hash of the whole question."""
EVERYBODY = "ALL.ALL"
"""The owner in the cache's keys where answers are shared: no publisher's name has capitals."""
BUDGET_BUCKET = "DOCQA_BUDGET"
"""The proxy's token budget by day."""
USAGE_BUCKET = "DOCQA_USAGE"
"""Usage by day and client."""
META_BUCKET = "DOCQA_META"
"""Facts about the store itself: when it was restored."""
REPLAYS_BUCKET = "DOCQA_REPLAYS"
"""The id under which a dead letter was replayed, keyed by its sequence."""

CANCEL_SUBJECTS = "docqa.cancel.>"
RESULTS_SUBJECTS = "docqa.results.>"
TOKENS_SUBJECTS = "docqa.tokens.>"
WORKER_SUBJECTS = "docqa.workers.>"
ROLL_CALL_SUBJECT = "docqa.workers"
"""Published by an ingress that has just connected: each worker answers with its announcement."""

HTTP_PUBLISHER = "http"
"""The ingress's name as a publisher; no direct publisher may take it."""

BODY_HASH_HEADER = "Docqa-Body-Sha256"
TRACE_HEADER = "traceparent"

_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_JOBS_PREFIX = JOBS_SUBJECTS.removesuffix("*.*.*")
_DEAD_PREFIX = DEAD_SUBJECTS.removesuffix(">")
_CANCEL_PREFIX = CANCEL_SUBJECTS.removesuffix(">")
_RESULTS_PREFIX = RESULTS_SUBJECTS.removesuffix(">")
_TOKENS_PREFIX = TOKENS_SUBJECTS.removesuffix(">")
_WORKERS_PREFIX = WORKER_SUBJECTS.removesuffix(">")
_READ_PREFIX = READ_SUBJECTS.removesuffix("*.*.*")
_IMPORTS_PREFIX = IMPORTS_SUBJECTS.removesuffix("*.*.*.*")
_LIBRARY_PREFIX = LIBRARY_SUBJECTS.removesuffix("*.*.*")
_GENERATION = re.compile(r"[1-9][0-9]{0,15}")


class JobName(msgspec.Struct, frozen=True):
    """A job's publisher, client and id, which together name it everywhere on the bus."""

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
        return cls._parsed(subject, _JOBS_PREFIX)

    @classmethod
    def from_read_subject(cls, subject: str) -> Self:
        """Parse `docqa.read.<publisher>.<client>.<job id>`; raises BadNameError."""
        return cls._parsed(subject, _READ_PREFIX)

    @classmethod
    def _parsed(cls, subject: str, prefix: str) -> Self:
        tokens = subject.removeprefix(prefix).split(".")
        if not subject.startswith(prefix) or len(tokens) != 3:
            raise BadNameError(f"The subject is not {prefix}<publisher>.<client>.<job id>.")
        return cls(*tokens)

    @property
    def key(self) -> str:
        """The key of its result and of its count of starts in their buckets."""
        return f"{self.publisher}.{self.client}.{self.job_id}"

    @property
    def subject(self) -> str:
        return _JOBS_PREFIX + self.key

    @property
    def results_subject(self) -> str:
        return _RESULTS_PREFIX + self.key

    @property
    def tokens_subject(self) -> str:
        return _TOKENS_PREFIX + self.key

    @property
    def cancel_subject(self) -> str:
        return _CANCEL_PREFIX + self.key

    @property
    def read_subject(self) -> str:
        return _READ_PREFIX + self.key


class ImportName(msgspec.Struct, frozen=True):
    """Who brings in a document, under which id, as which of its generations: the highest one wins."""

    publisher: str
    client: str
    document: str
    generation: int

    def __post_init__(self) -> None:
        for field in ("publisher", "client"):
            if not _NAME.fullmatch(getattr(self, field)):
                raise BadNameError(f"The {field} must match [a-z0-9_-]{{1,64}}.")
        if not is_canonical_uuid(self.document):
            raise BadNameError("The document id must be a UUID in its canonical form.")
        if not _GENERATION.fullmatch(str(self.generation)):
            raise BadNameError("The generation must be a whole number from 1 on, of at most 16 digits.")

    @classmethod
    def from_subject(cls, subject: str) -> Self:
        """Parse `docqa.imports.<publisher>.<client>.<document id>.<generation>`; raises BadNameError."""
        tokens = subject.removeprefix(_IMPORTS_PREFIX).split(".")
        if not subject.startswith(_IMPORTS_PREFIX) or len(tokens) != 4 or not _GENERATION.fullmatch(tokens[3]):
            raise BadNameError("The subject is not docqa.imports.<publisher>.<client>.<document id>.<generation>.")
        publisher, client, document, generation = tokens
        return cls(publisher, client, document, int(generation))

    @property
    def subject(self) -> str:
        return f"{_IMPORTS_PREFIX}{self.publisher}.{self.client}.{self.document}.{self.generation}"

    @property
    def spool_name(self) -> str:
        """The name of its file in the spool folder; nothing that a client wrote is part of it."""
        return f"{self.document}.{self.generation}"


class LibraryAddress(msgspec.Struct, frozen=True):
    """What is asked of the library, and for which client of which publisher."""

    operation: str
    publisher: str
    client: str

    @classmethod
    def from_subject(cls, subject: str) -> Self:
        """Parse `docqa.library.<operation>.<publisher>.<client>`; raises BadNameError."""
        tokens = subject.removeprefix(_LIBRARY_PREFIX).split(".")
        if not subject.startswith(_LIBRARY_PREFIX) or len(tokens) != 3 or not all(map(is_name, tokens)):
            raise BadNameError("The subject is not docqa.library.<operation>.<publisher>.<client>.")
        return cls(*tokens)

    @property
    def subject(self) -> str:
        return f"{_LIBRARY_PREFIX}{self.operation}.{self.publisher}.{self.client}"

    @property
    def space(self) -> str:
        """The client's own space."""
        return private_space(self.publisher, self.client)


def private_space(publisher: str, client: str) -> str:
    """A client's own space. The dot keeps it apart from shared spaces and `root`, whose names have none."""
    return f"{publisher}.{client}"


def library_of(operation: LibraryOperation, publisher: str) -> str:
    """The subjects of one publisher's requests of one kind."""
    return f"{_LIBRARY_PREFIX}{operation}.{publisher}.*"


def imports_of(publisher: str) -> str:
    """The subjects of all imports of one publisher."""
    return f"{_IMPORTS_PREFIX}{publisher}.>"


def imports_of_document(document: str) -> str:
    """The subjects of all waiting generations of one document, from any publisher."""
    return f"{_IMPORTS_PREFIX}*.*.{document}.*"


def is_canonical_uuid(text: str) -> bool:
    """True for 8-4-4-4-12 lower-case hexadecimal digits and nothing else."""
    return _UUID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """True for a valid name of a publisher or a client."""
    return _NAME.fullmatch(text) is not None


def jobs_of(publisher: str) -> str:
    """The prefix of the subjects of all jobs of one publisher."""
    return f"{_JOBS_PREFIX}{publisher}."


def jobs_subjects(publisher: str) -> str:
    """All jobs of one publisher."""
    return f"{_JOBS_PREFIX}{publisher}.>"


def cancel_subjects(publisher: str) -> str:
    """All cancels of one publisher's jobs."""
    return f"{_CANCEL_PREFIX}{publisher}.>"


def read_subjects(publisher: str) -> str:
    """What one publisher says of the results that it has read."""
    return f"{_READ_PREFIX}{publisher}.>"


def cancelled_job(cancel_subject: str) -> str:
    """The subject of the job that a message on `docqa.cancel.<publisher>.<client>.<job id>` cancels."""
    return _JOBS_PREFIX + cancel_subject.removeprefix(_CANCEL_PREFIX)


def key_of_result(results_subject: str) -> str:
    """The key `<publisher>.<client>.<job id>` of the job whose live result came on this subject."""
    return results_subject.removeprefix(_RESULTS_PREFIX)


def dead_subject(reason: str, job_id: str) -> str:
    return f"{_DEAD_PREFIX}{reason}.{job_id}"


def worker_subject(worker_id: str) -> str:
    return _WORKERS_PREFIX + worker_id


def results_subjects(publisher: str) -> str:
    """All live results of one publisher."""
    return f"{_RESULTS_PREFIX}{publisher}.>"


def tokens_subjects(publisher: str) -> str:
    """All token streams of one publisher."""
    return f"{_TOKENS_PREFIX}{publisher}.>"


def derived_id(*parts: str) -> str:
    """RFC 9562, version 8: the first bits of a SHA-256 of the parts (none holds a NUL)."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    high, middle, low = (int.from_bytes(digest[part]) for part in (slice(6), slice(6, 8), slice(8, 16)))
    return str(uuid8(high, middle & 0xFFF, low & (2**62 - 1)))
