"""Reads what an OpenAI-compatible API sends: server-sent events or one JSON object, never more than so many bytes.

Tolerant where APIs differ, strict where a mistake would cost: what is no completion is trouble, and a usage that
can't be true is none. Not httpx-sse: it takes lines of any length.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from contract.messages import FinishReason, Usage
from inference_worker.proxy.errors import TroubleError

_DONE: Final = b"[DONE]"
_REASONS: Final[dict[str, FinishReason]] = {"stop": "stop", "length": "length", "eos": "stop"}
_BYTES_PER_TOKEN: Final = 128
"""No vocabulary has longer tokens: a usage of fewer tokens than this makes can't be true."""


class _Said(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    """A part of an answer, or all of it."""

    choices: list[_Choice] = []
    usage: Any = None
    error: Any = None

    @property
    def text(self) -> str:
        said = (choice.delta or choice.message for choice in self.choices[:1])
        return "".join(part.content for part in said if part and part.content)

    @property
    def finish_reason(self) -> FinishReason | None:
        """Raises TroubleError for an end that is none of ours."""
        reason = self.choices[0].finish_reason if self.choices else None
        if reason and reason not in _REASONS:
            raise TroubleError(f"The proxy's answer ended with `{reason[:40]}`.", is_replayable=False)
        return _REASONS[reason] if reason else None


class Limited:
    """Counts what was received; raises TroubleError beyond `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._received = 0

    def take(self, part: bytes) -> bytes:
        self._received += len(part)
        if self._received > self._most_bytes:
            raise TroubleError(f"The proxy sent more than {self._most_bytes} bytes for one answer.")
        return part


async def events(parts: AsyncIterator[bytes]) -> AsyncIterator[Chunk]:
    """The chunks of a stream of server-sent events; ends with it, or with `[DONE]`."""
    async for line in _lines(parts):
        data = line[5:].strip() if line.startswith(b"data:") else b""  # not: comments, pings, other fields
        if data == _DONE:
            return
        if data:
            yield decoded(data)


def decoded(data: bytes) -> Chunk:
    """Raises TroubleError for what is no part of an answer."""
    try:
        chunk = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TroubleError("The proxy sent something that is no answer.", is_passing=True) from None
    if chunk.error:
        raise TroubleError("The proxy broke its answer off with an error.", is_passing=True)
    return chunk


def usage_of(told: Any, prompt_bytes: int, answer: str) -> Usage | None:
    """The usage that an API reports; None where it reports none, or one that can't be true."""
    try:
        usage = msgspec.convert(told, _Usage)
    except msgspec.ValidationError:
        return None
    least_made = -(-len(answer.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)
    if usage.prompt_tokens < max(prompt_bytes // _BYTES_PER_TOKEN, 1) or usage.completion_tokens < least_made:
        return None
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0
    return Usage(usage.prompt_tokens, usage.completion_tokens, min(max(cached or 0, 0), usage.prompt_tokens))


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


_Count = Annotated[int, Meta(ge=0, le=10**9)]


class _Usage(msgspec.Struct):
    prompt_tokens: _Count
    completion_tokens: _Count
    prompt_tokens_details: _Details | None = None


_decoder = msgspec.json.Decoder(Chunk)


async def _lines(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    open_line = bytearray()
    async for part in parts:
        first, *others = part.split(b"\n")
        open_line += first
        for line in others:
            yield bytes(open_line)
            open_line = bytearray(line)
    yield bytes(open_line)
