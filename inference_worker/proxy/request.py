"""One question as a request to the proxy's API: its body, the most that it may cost, and its fingerprint."""

import hashlib
import unicodedata
from collections.abc import Mapping, Set
from typing import Any, Final

import msgspec
from msgspec import UNSET

from contract.messages import Query, ResponseFormat
from contract.redaction.redactor import BUILT_IN, Redactor
from contract.sanitize import sanitize
from inference_worker.engines.prompt import worded

_OTHER_NAMES: Final = {"max_tokens": "max_completion_tokens"}
DISPENSABLE: Final = frozenset({"temperature", "top_p", "seed", "stream_options"})
"""Parameters without which a question can still be asked."""

REFUSABLE: Final = DISPENSABLE | _OTHER_NAMES.keys()
"""Parameters that can be left out, or have another name."""


def spelled(asked: Mapping[str, Any], refused: Set[str]) -> dict[str, Any]:
    """What is asked, without or with other names for the parameters that a model refused."""
    named = {_OTHER_NAMES.get(name, name) if name in refused else name: value for name, value in asked.items()}
    return {name: value for name, value in named.items() if name not in refused}


_TEMPLATE_TOKENS: Final = 512
"""More than any chat template adds to two messages, including a system prompt of its own."""
_TURN_TOKENS: Final = 16
"""And to each message."""
_MOST_BYTES_BESIDE: Final = 2**20
_MOST_BYTES_PER_TOKEN: Final = 4096
"""An event of a stream holds one token, and some hundred bytes around it."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent for one question. Each text in it went through the sanitizer as a whole."""

    asked: dict[str, Any]
    prompt_bytes: int
    most_prompt_tokens: int
    """An upper bound for any tokenizer."""
    max_tokens: int
    fingerprint: str
    """The same for all questions that would be answered alike."""
    is_repeatable: bool
    """The same question should have the same answer."""

    def body(self, refused: Set[str] = frozenset()) -> bytes:
        """The body for a model that refused these parameters."""
        asked = {**self.asked, "stream": True, "stream_options": {"include_usage": True}}
        return msgspec.json.encode(spelled(asked, refused))

    def shortened(self, max_tokens: int) -> "Request":
        """The same question with a shorter answer; its fingerprint stays."""
        asked = {**self.asked, "max_tokens": max_tokens}
        return msgspec.structs.replace(self, asked=asked, max_tokens=max_tokens)

    @property
    def most_tokens(self) -> int:
        """The most that one call can be charged."""
        return self.most_prompt_tokens + self.max_tokens

    @property
    def most_response_bytes(self) -> int:
        """A response of more bytes than this is no answer to the question."""
        return _MOST_BYTES_BESIDE + _MOST_BYTES_PER_TOKEN * self.max_tokens


def request_for(query: Query, model: str, url: str, redactor: Redactor = BUILT_IN) -> Request:
    """The request to `model` at `url`."""
    messages = _messages(query, redactor)
    stops = [sanitize(stop, redactor).text for stop in query.stop]
    asked = _asked(query, model, messages, stops)
    texts = [message["content"] for message in messages]
    return Request(
        asked=asked,
        prompt_bytes=sum(len(_utf8(text)) for text in texts),
        most_prompt_tokens=_TEMPLATE_TOKENS + sum(_TURN_TOKENS + _most_tokens(text) for text in texts),
        max_tokens=query.max_tokens,
        fingerprint=hashlib.sha256(msgspec.json.encode([url, asked], order="sorted")).hexdigest(),
        is_repeatable=query.temperature == 0 or query.seed is not None,
    )


def _messages(query: Query, redactor: Redactor) -> list[dict[str, str]]:
    """System, the conversation, the question. A client's system message follows ours where there is a document."""
    wording = worded(query.query, query.context)
    turns, system = list(query.turns), wording.system
    if turns and turns[0].role == "system":
        own = turns.pop(0).content
        system = f"{system}\n\n{own}" if wording.document_bytes else own
    said = [("system", system), *((turn.role, turn.content) for turn in turns), ("user", wording.user)]
    # Once more as a whole: the wording may have brought together what was apart.
    return [{"role": role, "content": sanitize(text, redactor).text} for role, text in said]


def _asked(query: Query, model: str, messages: list[dict[str, str]], stops: list[str]) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "max_tokens": query.max_tokens,
        "temperature": query.temperature,
        "top_p": query.top_p,
    }
    if query.seed is not None:
        asked["seed"] = query.seed
    if stops:
        asked["stop"] = stops
    if query.response_format is not UNSET and query.asks_for_json:
        asked["response_format"] = _form(query.response_format)
    return asked


def _form(form: ResponseFormat) -> dict[str, Any]:
    if form.json_schema is UNSET:
        return {"type": form.type}
    named = {"name": form.json_schema.name or "answer", "schema": form.schema, "strict": False}
    return {"type": form.type, "json_schema": named}


def _most_tokens(text: str) -> int:
    """A token is a byte at least. Some tokenizers first decompose a text (U+FDFA becomes eighteen letters)."""
    longest = len(_utf8(text))
    if not text.isascii():
        longest = max(longest, len(_utf8(unicodedata.normalize("NFKD", text))))
    # Some put a space before a text.
    return longest + 1


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
