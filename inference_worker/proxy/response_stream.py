"""Reads what an OpenAI-compatible API sends: server-sent events or one JSON object, never more than so many bytes.

APIs differ in what they say about an answer, so every field is read as far as it makes sense: text as a string or in
parts, any reason for its end. What is JSON and no answer is an error that no retry mends. Not httpx-sse: it takes lines
of any length.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from contract.messages import FinishReason, Usage
from inference_worker.proxy.errors import ApiError

_DONE: Final = b"[DONE]"
_CUT_SHORT: Final = re.compile("length|max.*token|token.*limit", re.IGNORECASE)
_WITHHELD: Final = re.compile("filter|safety|block|prohibit|recitation|spii|policy|moderat|refus", re.IGNORECASE)
_NOT_TEXT: Final = re.compile("think|reason", re.IGNORECASE)
_BYTES_PER_TOKEN: Final = 128
"""No vocabulary has longer tokens: a usage of fewer tokens than this makes can't be true."""
_MOST_QUOTED_CHARS: Final = 40


class Chunk(msgspec.Struct, frozen=True):
    """A part of an answer, or all of it; `text` may end within a character."""

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Any = None
    has_reasoning: bool = False
    """The API sent a part of the model's reasoning, which is no answer."""


class Limited:
    """Counts what was received; raises ApiError beyond `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._received = 0

    def take(self, part: bytes) -> bytes:
        """Count and return `part`."""
        self._received += len(part)
        if self._received > self._most_bytes:
            raise ApiError(f"The proxy sent more than {self._most_bytes} bytes for one answer.")
        return part


async def events(parts: AsyncIterator[bytes]) -> AsyncIterator[Chunk]:
    """The chunks of a stream of server-sent events; ends with it, or with `[DONE]`. Raises ApiError."""
    async for line in _lines(parts):
        data = line[5:].strip() if line.startswith(b"data:") else b""  # not: comments, pings, other fields
        if data == _DONE:
            return
        if data:
            yield decoded(data)


def decoded(data: bytes) -> Chunk:
    """Raises ApiError for what is no part of an answer."""
    try:
        # Not msgspec: it refuses the halves of characters that some APIs send one by one.
        chunk = json.loads(data.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        raise ApiError("The proxy sent something that is not JSON.", is_passing=True) from None
    if not isinstance(chunk, dict):
        raise ApiError("The proxy sent JSON that is no answer.")
    if chunk.get("error"):
        raise ApiError("The proxy broke its answer off with an error.", is_passing=True)
    return _chunk(chunk)


def _chunk(chunk: dict[str, Any]) -> Chunk:
    choices, usage = chunk.get("choices"), chunk.get("usage")
    if choices is None or choices == []:
        return Chunk(usage=usage)
    choice = choices[0] if isinstance(choices, list) else choices
    if not isinstance(choice, dict):
        raise ApiError("The proxy sent JSON that is no answer.")
    said = choice.get("delta") or choice.get("message") or {}
    said = said if isinstance(said, dict) else {"content": said}
    return Chunk(
        text=_text(said["content"] if said.get("content") is not None else choice.get("text")),
        finish_reason=_finish_reason(choice.get("finish_reason")),
        usage=usage,
        has_reasoning=any(bool(value) for name, value in said.items() if _NOT_TEXT.search(name)),
    )


def _text(content: Any) -> str:
    """A text, or the texts of its parts; raises ApiError for what is neither."""
    match content:
        case None:
            return ""
        case str():
            return content
        case list():
            return "".join(_text(part) for part in content)
        case {"type": str() as kind} if _NOT_TEXT.search(kind):
            return ""
        case {"text": str() | dict() as text}:
            return _text(text)
        case {"value": str() as text}:
            return text
    raise ApiError("The proxy sent an answer that is no text.")


def _finish_reason(reason: Any) -> FinishReason | None:
    """What is not known to cut an answer short counts as its end. Raises ApiError where content was withheld."""
    if not reason:
        return None
    if _WITHHELD.search(str(reason)):
        raise ApiError(f"The proxy's answer ended with `{str(reason)[:_MOST_QUOTED_CHARS]}`.", is_replayable=False)
    return "length" if _CUT_SHORT.search(str(reason)) else "stop"


def usage_of(reported: Any, prompt_bytes: int, answer: str) -> Usage | None:
    """The usage that an API reports; None where it reports none, or one that can't be true."""
    try:
        usage = msgspec.convert(reported, _Usage)
    except (msgspec.ValidationError, UnicodeEncodeError):
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


async def _lines(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    open_line = bytearray()
    async for part in parts:
        first, *others = part.split(b"\n")
        open_line += first
        for line in others:
            yield bytes(open_line)
            open_line = bytearray(line)
    yield bytes(open_line)
