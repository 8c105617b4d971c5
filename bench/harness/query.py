"""One query of a benchmark: its id, known before it is sent, and the result of each try as the client saw it."""

import hashlib
import uuid
from typing import Final, get_args

import msgspec

from contract.messages import FailureCode

ACCEPTED: Final = frozenset({200, 202})
ENDED: Final = frozenset(get_args(FailureCode))
"""Problems that only an accepted job can have: it ended without an answer."""
NO_RESPONSE: Final = 0
"""In place of a status: the connection broke or timed out, so that the outcome is unknown."""


class Refusal(msgspec.Struct, frozen=True):
    """One refused try."""

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
    entry_point: str
    planned_s: float
    sent_s: float = 0.0
    ended_s: float = 0.0
    status: int = NO_RESPONSE
    problem: str = ""
    tries: int = 0
    refusals: list[Refusal] = []
    first_token_s: float | None = None
    tokens: int = 0
    uncached_tokens: int = 0
    """Tokens of the prompt that the model had to read."""
    answer: str | None = None
    was_uncertain: bool = False
    """A try got no response or `outcome-unknown`: it may have been accepted."""
    was_accepted: bool = False
    accepted_s: float | None = None

    @property
    def latency_s(self) -> float:
        """Counted from the planned arrival, so that a stall of the system or of the generator shows."""
        return self.ended_s - self.planned_s

    @property
    def name(self) -> str:
        """Its key in the results bucket."""
        return f"{self.publisher}.{self.client}.{self.job_id}"


def derived_id(client: str, key: str) -> str:
    """The job id of an `Idempotency-Key`, as the protocol defines it: a SHA-256 of both, as a UUIDv8."""
    digest = bytearray(hashlib.sha256(f"{client}\0{key}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))
