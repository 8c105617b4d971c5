"""How a question is put to a system and how its answer is read: in our protocol, and in OpenAI's for the peers.

The peers get the words that our worker gives to the model; a test holds them to its wording.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from bench.harness.http_client import post
from bench.peers.questions import NO_ANSWER, Reply, Task

SYSTEM: Final = (
    "You answer questions about a document. Quote the words of the document that answer the question, and nothing "
    "else. If the document does not answer it, say that it does not."
)
USER: Final = "Document:\n{context}\n\nQuestion: {query}\nAnswer with the words of the document."
_AS_EVENTS: Final = {"Accept": "text/event-stream"}


class Said(msgspec.Struct, frozen=True):
    """A whole answer."""

    text: str
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0


class Events:
    """Puts server-sent events together from chunks, wherever those were cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[tuple[str, dict[str, Any]]]:
        """The events that this chunk completes: name (empty when it has none) and data."""
        *whole, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
        told = (dict(line.split(": ", 1) for line in event.decode().splitlines() if ": " in line) for event in whole)
        return [(event.get("event", ""), json.loads(event["data"])) for event in told if _is_json(event)]


class Dialect(Protocol):
    """A protocol, as far as the comparison speaks it."""

    def request(self, task: Task, *, events: bool) -> bytes:
        """The whole HTTP request."""

    def answer(self, body: bytes) -> Said:
        """What a response with status 200 holds."""

    def piece(self, name: str, data: dict[str, Any]) -> str:
        """The text that an event adds to the answer."""

    def ending(self, name: str, data: dict[str, Any]) -> Said | None:
        """The whole answer, where an event has it."""


class Docqa:
    """POST /api/query."""

    def request(self, task: Task, *, events: bool) -> bytes:
        question = {"query": task.query, "context": task.context, "max_tokens": task.max_tokens}
        return post("/api/query", msgspec.json.encode(question), _AS_EVENTS if events else None)

    def answer(self, body: bytes) -> Said:
        return _ours(json.loads(body))

    def piece(self, name: str, data: dict[str, Any]) -> str:
        return str(data["text"]) if name == "token" else ""

    def ending(self, name: str, data: dict[str, Any]) -> Said | None:
        return _ours(data) if name == "result" else None


class OpenAi:
    """POST /v1/chat/completions."""

    def request(self, task: Task, *, events: bool) -> bytes:
        return post("/v1/chat/completions", json.dumps(as_chat(task) | {"stream": events}).encode())

    def answer(self, body: bytes) -> Said:
        told = json.loads(body)
        usage = told["usage"]
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        text = told["choices"][0]["message"]["content"] or ""
        return Said(text, usage["completion_tokens"], usage["prompt_tokens"], cached)

    def piece(self, name: str, data: dict[str, Any]) -> str:
        choices = data.get("choices") or [{}]
        return str(choices[0].get("delta", {}).get("content") or "")

    def ending(self, name: str, data: dict[str, Any]) -> Said | None:
        return None


def as_chat(task: Task) -> dict[str, Any]:
    """The same words as ours, as a chat; it ends where the model ends its turn, as ours does."""
    user = {"role": "user", "content": USER.format(context=task.context, query=task.query)}
    messages = [{"role": "system", "content": SYSTEM}, user]
    return {"messages": messages, "max_tokens": task.max_tokens, "temperature": 0}


def _ours(told: dict[str, Any]) -> Said:
    usage = told["usage"]
    return Said(told["answer"], usage["completion_tokens"], usage["prompt_tokens"], usage.get("cached_tokens", 0))


def _is_json(event: dict[str, str]) -> bool:
    return event.get("data", "").startswith("{")


class Hearing:
    """Takes the chunks of one stream; knows when each piece came, and what they make together."""

    def __init__(self, dialect: Dialect, on_piece: Callable[[float], None] | None = None) -> None:
        """`on_piece` hears the moment of each piece (monotonic seconds)."""
        self.began_s = time.monotonic()
        self._dialect = dialect
        self._on_piece = on_piece
        self._events = Events()
        self._pieces = list[str]()
        self._moments_s = list[float]()
        self._ending: Said | None = None

    def chunk(self, chunk: bytes) -> None:
        """One more part of the stream, wherever it was cut."""
        for name, data in self._events.feed(chunk):
            if piece := self._dialect.piece(name, data):
                self._note(piece)
            else:
                self._ending = self._dialect.ending(name, data) or self._ending

    def reply(self, status: int) -> Reply:
        """After the last chunk. A stream that ends without a word is no answer."""
        took_s = time.monotonic() - self.began_s
        if status != 200 or not (self._pieces or self._ending):
            return Reply(NO_ANSWER if status == 200 else status, took_s)
        said = self._ending or Said("".join(self._pieces), len(self._pieces))
        return Reply(
            200, took_s, said.text, said.tokens, said.prompt_tokens, said.cached_tokens, tuple(self._moments_s)
        )

    def _note(self, piece: str) -> None:
        now_s = time.monotonic()
        self._pieces.append(piece)
        self._moments_s.append(now_s - self.began_s)
        if self._on_piece:
            self._on_piece(now_s)
