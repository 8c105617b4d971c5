"""Who asks: what the rest of the ingress knows of a client."""

from typing import Final

import msgspec

from contract.rate import Rate
from contract.token_file import Right

ANONYMOUS: Final = "local"
"""The client that everybody is where no token is set."""
NAMED: Final = "default"
"""The client behind DOCQA_TOKEN."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A client, and what it may do and take."""

    client: str
    rights: tuple[Right, ...] = ("query", "admin")
    share: float = 1.0
    """Of the queue's places; 1 is no limit."""
    rate: Rate | None = None
    token: str | None = None
    """The first digits of the token's SHA-256: which of two was used."""
