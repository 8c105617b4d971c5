"""Caches the proxy's answers: the same question of the same client has the same answer, within some time.

Keys are hashes of the whole request: the bucket holds answers, never questions. Best effort: an answer that can't be
read or written is asked for again.
"""

import time

import msgspec
import structlog

from contract import topology
from contract.bus.bucket import Bucket
from contract.errors import BusError
from contract.messages import FinishReason, Usage
from inference_worker.engines.base import Completion

log = structlog.get_logger(__name__)


class _Kept(msgspec.Struct, frozen=True):
    at_s: float
    text: str
    finish_reason: FinishReason
    model: str
    usage: Usage


_decoder = msgspec.json.Decoder(_Kept)


class AnswerCache:
    """Answers by owner and a question's fingerprint."""

    def __init__(self, bucket: Bucket, ttl_s: float, *, is_shared: bool = False) -> None:
        self._bucket = bucket
        self._ttl_s = ttl_s
        self._is_shared = is_shared

    async def find(self, owner: str, fingerprint: str) -> Completion | None:
        """The cached answer, if it is not too old."""
        try:
            entry = await self._bucket.get(self._key(owner, fingerprint))
            # An erased one is empty.
            kept = _decoder.decode(entry.value) if entry and entry.value else None
        except (BusError, msgspec.DecodeError) as error:
            log.warning("the cache can't be read", reason=str(error))
            return None
        # The bucket drops old entries by the setting that it was made with, and not at once.
        if kept is None or not kept.text.strip() or time.time() - kept.at_s > self._ttl_s:
            return None
        return _completion(kept, self._key(owner, fingerprint))

    async def keep(self, owner: str, fingerprint: str, completion: Completion) -> str:
        """Cache this answer, in place of one that is too old. Returns its key, whether or not it could be written."""
        kept = _Kept(time.time(), completion.text, completion.finish_reason, completion.model, completion.usage)
        key = self._key(owner, fingerprint)
        try:
            entry = await self._bucket.get(key)
            await self._bucket.swap(key, msgspec.json.encode(kept), entry.seq if entry else 0)
        except BusError as error:
            log.warning("an answer could not be cached", reason=str(error))
        # After an error too: the bus may have stored it all the same.
        return key

    def _key(self, owner: str, fingerprint: str) -> str:
        return f"{topology.EVERYBODY if self._is_shared else owner}.{fingerprint}"


def _completion(kept: _Kept, key: str) -> Completion:
    """Nothing of the prompt was read again."""
    usage = Usage(kept.usage.prompt_tokens, kept.usage.completion_tokens, kept.usage.prompt_tokens)
    return Completion(
        text=kept.text,
        finish_reason=kept.finish_reason,
        usage=usage,
        prefill_ms=0.0,
        decode_ms=0.0,
        model=kept.model,
        backend="cache",
        cache_key=key,
    )
