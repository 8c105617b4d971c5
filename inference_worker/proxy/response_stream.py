"""Reads what an OpenAI-compatible API sends: server-sent events or one JSON object, never more than so many bytes.

APIs differ in what they say about an answer, so every field is read as far as it makes sense: text as a string or in
parts, any reason for its end. What is JSON and no answer is an error that no retry mends. Not httpx-sse: it takes lines
of any length.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from contract.messages import FinishReason, Usage
from inference_worker.proxy import context_length
from inference_worker.proxy.errors import ApiError, TooLongError

_DONE: Final = b"[DONE]"
_FIELDS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
"""What a stream of events begins with."""
_SEEN_BYTES: Final = 8
"""Enough to see what a response is."""
_CUT_SHORT: Final = re.compile("length|max.*token|limit|exceed|window|truncated|incomplete", re.IGNORECASE)
_WITHHELD: Final = re.compile(
    "filter|safety|block|prohibit|recitation|spii|policy|moderat|refus|guardrail|interven|sensitive|flagged|censor",
    re.IGNORECASE,
)
_BROKEN_OFF: Final = re.compile("error|fail|abort|cancel|interrupt|time_?out|insufficient|unavailable|overload", re.I)
_NOT_TEXT: Final = re.compile("think|reason", re.IGNORECASE)
_BYTES_PER_TOKEN: Final = 128
"""No vocabulary has longer tokens: a usage of fewer tokens than this makes can't be true."""
_MOST_QUOTED_CHARS: Final = 40
_MOST_READ_CHARS: Final = 2000
_MOST_TOKENS: Final = 10**9


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


async def answer_in(parts: AsyncIterator[bytes], *, is_stream: bool) -> AsyncIterator[Chunk]:
    """The chunks of a response, whatever its media type says: events, JSON, or JSON lines. Raises ApiError."""
    held, begun = bytearray(), b""
    async for part in parts:
        held += part
        begun = bytes(held.removeprefix(BOM_UTF8).lstrip())
        if len(begun) >= _SEEN_BYTES:
            break
    is_stream = not begun.startswith(b"{") if is_stream else begun.startswith(_FIELDS)
    whole = _joined(bytes(held), parts)
    if is_stream:
        async for chunk in events(whole):
            yield chunk
        return
    if begun and not begun.startswith((b"{", b"[")):
        raise ApiError("The proxy answered with something else than JSON: see COPILOT_API_URL.")
    for line in _texts(b"".join([part async for part in whole])):
        yield decoded(line)


async def _joined(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in others:
        yield part


def _texts(content: bytes) -> list[bytes]:
    """One JSON text, or one a line as servers of other protocols stream them."""
    lines = [line for line in content.removeprefix(BOM_UTF8).split(b"\n") if line.strip()]
    return lines if len(lines) > 1 and all(_is_json(line) for line in lines) else [content]


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


async def events(parts: AsyncIterator[bytes]) -> AsyncIterator[Chunk]:
    """The chunks of a stream of server-sent events; ends with it, or with `[DONE]`. Raises ApiError."""
    async for line in _lines(parts):
        line = line.removeprefix(BOM_UTF8)
        data = line[5:].strip() if line.startswith(b"data:") else b""  # not: comments, pings, other fields
        if data == _DONE:
            return
        if data:
            yield decoded(data)


def decoded(data: bytes) -> Chunk:
    """Raises ApiError for what is no part of an answer."""
    try:
        # Not msgspec: it refuses the halves of characters that some APIs send one by one.
        chunk = json.loads(data.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        raise ApiError("The proxy sent something that is not JSON.", is_passing=True) from None
    if not isinstance(chunk, dict):
        raise ApiError("The proxy sent JSON that is no answer.")
    if error := chunk.get("error"):
        raise _broken_off(error)
    return _chunk(chunk)


def _broken_off(error: Any) -> ApiError:
    """For an error in place of an answer, or behind a part of it."""
    words = str(error)[:_MOST_READ_CHARS]
    if context_length.is_meant(words):
        return TooLongError(*context_length.numbers_in(words, 0), left_tokens=context_length.answer_limit(words))
    return ApiError("The proxy broke its answer off with an error.", is_passing=True)


def _chunk(chunk: dict[str, Any]) -> Chunk:
    choices, usage = chunk.get("choices"), _usage_in(chunk)
    if choices is None or choices == []:
        return Chunk(usage=usage)
    choice = choices[0] if isinstance(choices, list) else choices
    if not isinstance(choice, dict):
        raise ApiError("The proxy sent JSON that is no answer.")
    usage = usage or choice.get("usage")
    said = choice.get("delta") or choice.get("message") or {}
    said = said if isinstance(said, dict) else {"content": said}
    return Chunk(
        text=_text(said["content"] if said.get("content") is not None else choice.get("text")),
        finish_reason=_finish_reason(choice.get("finish_reason")),
        usage=usage,
        has_reasoning=any(bool(value) for name, value in said.items() if _NOT_TEXT.search(name)),
    )


def _usage_in(chunk: dict[str, Any]) -> Any:
    """Some APIs put it into an extension of their own, such as `x_groq`."""
    extensions = (value for name, value in chunk.items() if name.startswith("x_") and isinstance(value, dict))
    return chunk.get("usage") or next((one["usage"] for one in extensions if one.get("usage")), None)


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
        case {"type": str()}:
            # A reference, an image, what the next version invents: the parts beside it are the answer.
            return ""
    raise ApiError("The proxy sent an answer that is no text.")


def _finish_reason(reason: Any) -> FinishReason | None:
    """What is not known to cut an answer short counts as its end. Raises ApiError where content was withheld."""
    if not reason:
        return None
    if _WITHHELD.search(str(reason)):
        raise ApiError(f"The proxy's answer ended with `{str(reason)[:_MOST_QUOTED_CHARS]}`.", is_replayable=False)
    if _BROKEN_OFF.search(str(reason)):
        raise ApiError(f"The proxy's answer broke off with `{str(reason)[:_MOST_QUOTED_CHARS]}`.", is_passing=True)
    return "length" if _CUT_SHORT.search(str(reason)) else "stop"


def usage_of(reported: Any, prompt_bytes: int, answer: str) -> Usage | None:
    """The usage that an API reports; None where it reports none, or one that can't be true."""
    prompt_tokens = _count(reported, "prompt_tokens", "input_tokens", "prompt_eval_count")
    completion_tokens = _count(reported, "completion_tokens", "output_tokens", "eval_count")
    if prompt_tokens is None or completion_tokens is None:
        return None
    least_made = -(-len(answer.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)
    if prompt_tokens < max(prompt_bytes // _BYTES_PER_TOKEN, 1) or completion_tokens < least_made:
        return None
    details = reported.get("prompt_tokens_details") or reported.get("input_tokens_details")
    cached = _count(details, "cached_tokens") or _count(reported, "cached_tokens", "prompt_cache_hit_tokens") or 0
    return Usage(prompt_tokens, completion_tokens, min(cached, prompt_tokens))


def _count(reported: Any, *names: str) -> int | None:
    """The first of these fields that holds a whole number that may be true."""
    values = (reported.get(name) for name in names) if isinstance(reported, dict) else ()
    return next((count for value in values if (count := _whole(value)) is not None), None)


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


async def _lines(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    open_line = bytearray()
    async for part in parts:
        first, *others = part.split(b"\n")
        open_line += first
        for line in others:
            yield bytes(open_line)
            open_line = bytearray(line)
    yield bytes(open_line)
