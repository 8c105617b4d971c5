"""How a question is sent to a system and how its answer is read: in our API, and in OpenAI's for the peers.

The peers get the same prompt that our worker gives to the model; a test compares both.
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


class Answer(msgspec.Struct, frozen=True):
    """A complete answer."""

    text: str
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0


class Events:
    """Assembles server-sent events from chunks that were cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[tuple[str, dict[str, Any]]]:
        """The events that this chunk completes: name (empty when it has none) and data."""
        *whole, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
        events = (dict(line.split(": ", 1) for line in event.decode().splitlines() if ": " in line) for event in whole)
        return [(event.get("event", ""), json.loads(event["data"])) for event in events if _is_json(event)]


class Dialect(Protocol):
    """An API, as far as the comparison uses it."""

    def request(self, task: Task, *, events: bool) -> bytes:
        """The whole HTTP request."""

    def answer(self, body: bytes) -> Answer:
        """The answer in a response with status 200."""

    def piece(self, name: str, data: dict[str, Any]) -> str:
        """The text that an event adds to the answer."""

    def ending(self, name: str, data: dict[str, Any]) -> Answer | None:
        """The complete answer, if an event has it."""


class Docqa:
    """POST /api/query."""

    def request(self, task: Task, *, events: bool) -> bytes:
        question = {"query": task.query, "context": task.context, "max_tokens": task.max_tokens}
        return post("/api/query", msgspec.json.encode(question), _AS_EVENTS if events else None)

    def answer(self, body: bytes) -> Answer:
        return _ours(json.loads(body))

    def piece(self, name: str, data: dict[str, Any]) -> str:
        return str(data["text"]) if name == "token" else ""

    def ending(self, name: str, data: dict[str, Any]) -> Answer | None:
        return _ours(data) if name == "result" else None


class OpenAi:
    """POST /v1/chat/completions."""

    def request(self, task: Task, *, events: bool) -> bytes:
        return post("/v1/chat/completions", json.dumps(as_chat(task) | {"stream": events}).encode())

    def answer(self, body: bytes) -> Answer:
        document = json.loads(body)
        usage = document["usage"]
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        text = document["choices"][0]["message"]["content"] or ""
        return Answer(text, usage["completion_tokens"], usage["prompt_tokens"], cached)

    def piece(self, name: str, data: dict[str, Any]) -> str:
        choices = data.get("choices") or [{}]
        return str(choices[0].get("delta", {}).get("content") or "")

    def ending(self, name: str, data: dict[str, Any]) -> Answer | None:
        return None


def as_chat(task: Task) -> dict[str, Any]:
    """The same prompt as ours, as a chat; the answer ends with the model's turn, as ours does."""
    user = {"role": "user", "content": USER.format(context=task.context, query=task.query)}
    messages = [{"role": "system", "content": SYSTEM}, user]
    return {"messages": messages, "max_tokens": task.max_tokens, "temperature": 0}


def _ours(document: dict[str, Any]) -> Answer:
    usage = document["usage"]
    return Answer(document["answer"], usage["completion_tokens"], usage["prompt_tokens"], usage.get("cached_tokens", 0))


def _is_json(event: dict[str, str]) -> bool:
    return event.get("data", "").startswith("{")


class StreamReader:
    """Reads the chunks of one stream: the time of each piece, and the complete answer."""

    def __init__(self, dialect: Dialect, on_piece: Callable[[float], None] | None = None) -> None:
        """`on_piece` gets the time of each piece (monotonic seconds)."""
        self.began_s = time.monotonic()
        self._dialect = dialect
        self._on_piece = on_piece
        self._events = Events()
        self._pieces = list[str]()
        self._moments_s = list[float]()
        self._ending: Answer | None = None

    def chunk(self, chunk: bytes) -> None:
        """Add a chunk of the stream, which may be cut anywhere."""
        for name, data in self._events.feed(chunk):
            if piece := self._dialect.piece(name, data):
                self._note(piece)
            else:
                self._ending = self._dialect.ending(name, data) or self._ending

    def reply(self, status: int) -> Reply:
        """The reply, after the last chunk. An empty stream is no answer."""
        took_s = time.monotonic() - self.began_s
        if status != 200 or not (self._pieces or self._ending):
            return Reply(NO_ANSWER if status == 200 else status, took_s)
        answer = self._ending or Answer("".join(self._pieces), len(self._pieces))
        return Reply(
            200, took_s, answer.text, answer.tokens, answer.prompt_tokens, answer.cached_tokens, tuple(self._moments_s)
        )

    def _note(self, piece: str) -> None:
        now_s = time.monotonic()
        self._pieces.append(piece)
        self._moments_s.append(now_s - self.began_s)
        if self._on_piece:
            self._on_piece(now_s)
