"""One query of the bench's: its name, known before it is sent, and what became of each try, as the client saw it."""

import hashlib
import uuid
from typing import Final, get_args

import msgspec

from contract.messages import FailureCode

ACCEPTED: Final = frozenset({200, 202})
ENDED: Final = frozenset(get_args(FailureCode))
"""Problems that only a job that was accepted can have: it ended without an answer."""
NO_WORD: Final = 0
"""In place of a status: the connection broke or nothing came in time, so that nobody knows."""


class Refusal(msgspec.Struct, frozen=True):
    """One try that was turned away."""

    at_s: float
    took_s: float
    status: int
    retry_after_s: int | None


class Query(msgspec.Struct, kw_only=True):
    """One query. All moments are seconds since the run began; `planned_s` is when it should have been sent."""

    number: int
    key: str
    publisher: str
    client: str
    job_id: str
    door: str
    planned_s: float
    sent_s: float = 0.0
    ended_s: float = 0.0
    status: int = NO_WORD
    problem: str = ""
    tries: int = 0
    refusals: list[Refusal] = []
    first_token_s: float | None = None
    tokens: int = 0
    uncached_tokens: int = 0
    """Of the prompt: what the model had to read for it."""
    answer: str | None = None
    was_uncertain: bool = False
    """Some try got no word, or `outcome-unknown`: it may have been accepted all the same."""
    was_accepted: bool = False
    accepted_s: float | None = None

    @property
    def latency_s(self) -> float:
        """Counted from the planned arrival: a system that stalls, or a generator that does, can't hide it."""
        return self.ended_s - self.planned_s

    @property
    def name(self) -> str:
        """Its key in the results bucket."""
        return f"{self.publisher}.{self.client}.{self.job_id}"


def derived_id(client: str, key: str) -> str:
    """The job id that an `Idempotency-Key` stands for, by the protocol: a SHA-256 of both, as a UUIDv8."""
    digest = bytearray(hashlib.sha256(f"{client}\0{key}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))
