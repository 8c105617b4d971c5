"""Maps tokens to callers: DOCQA_TOKEN, the file of tokens, or everybody where neither is set."""

import hmac
import math
import time
from typing import Final

import msgspec

from contract.token_file import Token, TokensFile, digest_of
from ingress.auth.caller import ANONYMOUS, NAMED, Caller
from ingress.settings import IngressSettings

_FOUND_BY_BYTES: Final = 16


class _Key(msgspec.Struct, frozen=True):
    digest: bytes
    caller: Caller
    expires_s: float


class Keyring:
    """Finds the caller behind a token. The file's tokens may be replaced at any time."""

    def __init__(self, settings: IngressSettings, file: TokensFile | None = None) -> None:
        self._settings = settings
        self._own = {}
        self._listed: dict[bytes, _Key] = {}
        if settings.token:
            digest = digest_of(settings.token.reveal().encode())
            self._own = _by_digest([_Key(digest, self._caller(NAMED), math.inf)])
        self.anybody: Caller | None = None
        """Set where no token is needed: every request has this caller."""
        if settings.token is None and settings.tokens is None:
            self.anybody = self._caller(ANONYMOUS)
        if file:
            self.replace(file)

    def replace(self, file: TokensFile) -> None:
        """Replace all tokens that came from a file."""
        self._listed = _by_digest([self._key(token) for token in file.tokens])

    def find(self, token: bytes) -> Caller | None:
        """The caller behind a token that is known and has not expired."""
        digest = digest_of(token)
        # Looked up by its hash, which a client can't choose: the time taken reveals nothing about known tokens.
        found = self._listed.get(digest[:_FOUND_BY_BYTES]) or self._own.get(digest[:_FOUND_BY_BYTES])
        if found is None or not hmac.compare_digest(found.digest, digest) or found.expires_s <= time.time():
            return None
        return found.caller

    @property
    def user_header(self) -> str | None:
        """The header that names a user, where one is set."""
        return self._settings.user_header

    @property
    def limits_rates(self) -> bool:
        """True when any caller has a limit on its rate."""
        return self._settings.rate_limit is not None or any(key.caller.rate for key in self._listed.values())

    def _key(self, token: Token) -> _Key:
        caller = Caller(
            client=token.name,
            rights=token.rights,
            share=self._settings.client_share if token.share is None else token.share,
            rate=token.rate or self._settings.rate_limit,
            token=token.shown,
        )
        return _Key(bytes.fromhex(token.sha256), caller, token.expires.timestamp() if token.expires else math.inf)

    def _caller(self, client: str) -> Caller:
        return Caller(client=client, share=self._settings.client_share, rate=self._settings.rate_limit)


def _by_digest(keys: list[_Key]) -> dict[bytes, _Key]:
    return {key.digest[:_FOUND_BY_BYTES]: key for key in keys}
