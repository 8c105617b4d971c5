"""One question as the proxy's API is asked it: the body, the most that it may cost, and what makes another the same."""

import hashlib
import unicodedata
from collections.abc import Mapping, Set
from typing import Any, Final

import msgspec

from contract.messages import Query
from contract.redaction.redactor import BUILT_IN, Redactor
from contract.sanitize import sanitize
from inference_worker.engines.prompt import worded

_OTHER_NAMES: Final = {"max_tokens": "max_completion_tokens"}
_DISPENSABLE: Final = frozenset({"temperature", "top_p", "seed"})

REFUSABLE: Final = _DISPENSABLE | _OTHER_NAMES.keys()
"""Without these a question can still be asked."""


def spelled(asked: Mapping[str, Any], refused: Set[str]) -> dict[str, Any]:
    """What is asked, as a model wants it that refused these parameters."""
    named = {_OTHER_NAMES.get(name, name) if name in refused else name: value for name, value in asked.items()}
    return {name: value for name, value in named.items() if name not in refused}


_TEMPLATE_TOKENS: Final = 512
"""More than any chat template adds to two messages, its own system prompt included."""
_MOST_BYTES_BESIDE: Final = 2**20
_MOST_BYTES_PER_TOKEN: Final = 4096
"""An event of a stream holds one token, and some hundred bytes around it."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent for one question. All texts in it went through the sanitizer as they stand there."""

    asked: dict[str, Any]
    prompt_bytes: int
    most_prompt_tokens: int
    """No tokenizer makes more of the prompt."""
    max_tokens: int
    fingerprint: str
    """The same for everything that would be answered alike."""
    is_repeatable: bool
    """The same question is expected to have the same answer."""

    def body(self, refused: Set[str] = frozenset()) -> bytes:
        """What is sent to a model that refused these parameters."""
        asked = {**spelled(self.asked, refused), "stream": True, "stream_options": {"include_usage": True}}
        return msgspec.json.encode(asked)

    @property
    def most_tokens(self) -> int:
        """No more can be charged for one call."""
        return self.most_prompt_tokens + self.max_tokens

    @property
    def most_response_bytes(self) -> int:
        return _MOST_BYTES_BESIDE + _MOST_BYTES_PER_TOKEN * self.max_tokens


def request_for(query: Query, model: str, url: str, redactor: Redactor = BUILT_IN) -> Request:
    """The request to `model` at `url`."""
    wording = worded(query.query, query.context)
    messages = [
        {"role": "system", "content": wording.system},
        # Once more as a whole: the wording may have brought together what was apart.
        {"role": "user", "content": sanitize(wording.user, redactor).text},
    ]
    stops = [sanitize(stop, redactor).text for stop in query.stop]
    asked = _asked(query, model, messages, stops)
    texts = [message["content"] for message in messages]
    return Request(
        asked=asked,
        prompt_bytes=sum(len(_utf8(text)) for text in texts),
        most_prompt_tokens=_TEMPLATE_TOKENS + sum(_most_tokens(text) for text in texts),
        max_tokens=query.max_tokens,
        fingerprint=hashlib.sha256(msgspec.json.encode([url, asked], order="sorted")).hexdigest(),
        is_repeatable=query.temperature == 0 or query.seed is not None,
    )


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
    return asked


def _most_tokens(text: str) -> int:
    """A token is a byte at least. Some tokenizers first take a text apart (U+FDFA has eighteen letters)."""
    longest = len(_utf8(text))
    if not text.isascii():
        longest = max(longest, len(_utf8(unicodedata.normalize("NFKD", text))))
    # Some put a space before a text.
    return longest + 1


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
