"""Bearer tokens and the file that lists them: the ingress reads it, `docqa tokens` writes it.

The file holds a token's SHA-256 only. A token has 256 random bits and can't be guessed, so a slow or salted hash would
slow down every request and gain nothing.
"""

import hashlib
import secrets
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from contract.errors import DocQAError
from contract.rate import Rate
from contract.topology import is_name

PREFIX: Final = "dq_"
"""A prefix by which secret scanners, and this project's redaction, recognise a leaked token."""

MAX_PER_NAME: Final = 2
"""Enough for a rotation: the new one is in use before the old one is revoked."""

_RANDOM_BYTES: Final = 32
_SHOWN_DIGITS: Final = 12

Right = Literal["query", "admin", "on-behalf"]
"""`on-behalf`: may name the user for whom it asks (DOCQA_USER_HEADER)."""
Share = Annotated[float, Meta(gt=0, le=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Moment = Annotated[datetime, Meta(tz=True)]


class TokensFileError(DocQAError):
    """The file of tokens can't be used."""


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One token's client, rights and limits. Two tokens of a name belong to the same client and share its jobs."""

    name: str
    sha256: Sha256
    rights: tuple[Right, ...] = ("query",)
    share: Share | None = None
    """Share of the queue's slots; None: DOCQA_CLIENT_SHARE."""
    rate: Rate | None = None
    """None: DOCQA_RATE_LIMIT."""
    created: Moment
    expires: Moment | None = None

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError("a name has 1 to 64 characters of a-z, 0-9, _ and -")

    @property
    def shown(self) -> str:
        """The first digits of its hash: enough to distinguish tokens, useless for authentication."""
        return self.sha256[:_SHOWN_DIGITS]

    def is_expired(self, now: datetime | None = None) -> bool:
        return self.expires is not None and self.expires <= (now or datetime.now(UTC))


class TokensFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All tokens, in order of creation."""

    v: Literal[1] = 1
    tokens: tuple[Token, ...] = ()

    def __post_init__(self) -> None:
        for name, count in Counter(token.name for token in self.tokens).items():
            if count > MAX_PER_NAME:
                raise ValueError(f"{name} has {count} tokens and may have {MAX_PER_NAME}")
        if len({token.sha256 for token in self.tokens}) < len(self.tokens):
            raise ValueError("a token is listed twice")


_decoder = msgspec.json.Decoder(TokensFile, dec_hook=lambda kind, value: kind(value))


def new_token() -> str:
    """A new random token, to be shown once."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(token: bytes) -> bytes:
    """The hash that is stored and compared instead of the token."""
    return hashlib.sha256(token).digest()


def decode(content: bytes) -> TokensFile:
    """Parse the file; raises TokensFileError with a sentence that quotes only a name and a location."""
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TokensFileError(f"The file of tokens can't be understood: {str(error).replace('$.', '')}.") from None


def encode(file: TokensFile) -> bytes:
    """Format the file as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(file, enc_hook=_plain)) + b"\n"


def _plain(value: Any) -> str:
    return str(value)
