"""A client as the rest of the ingress sees it."""

from typing import Final

import msgspec

from contract.rate import Rate
from contract.token_file import Right

ANONYMOUS: Final = "local"
"""The client of every request where no token is set."""
NAMED: Final = "default"
"""The client behind DOCQA_TOKEN."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A client, its rights and limits."""

    client: str
    rights: tuple[Right, ...] = ("query", "admin")
    share: float = 1.0
    """Share of the queue's slots; 1 is no limit."""
    rate: Rate | None = None
    user: str | None = None
    """Of a client that is a user behind another one's key: the name as it was given."""
    token: str | None = None
    """The first digits of the token's SHA-256, to distinguish a client's two tokens in the audit log."""
