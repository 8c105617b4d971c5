"""One query in flight: its tokens, how far the model has read them, and the text made so far.

Knows nothing of the model, the thread or the bus; `engine` moves it forward step by step.
"""

import codecs
import time
from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

from contract.messages import FinishReason

S = TypeVar("S")


class Span(msgspec.Struct, frozen=True):
    """Consecutive tokens of one sequence for one step; `position` is the place of the first one."""

    row: int
    position: int
    tokens: list[int]
    wants_logits: bool


class AnswerText:
    """Turns a token's bytes into text that can be shown: whole characters, and nothing of a stop string.

    Bytes that are not UTF-8 become U+FFFD; a character that the end of the answer cuts in two is left out.
    """

    def __init__(self, stops: Iterable[str] = ()) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._stops = tuple(stops)
        self._held = ""
        self._shown: list[str] = []
        self.stopped = False

    @property
    def text(self) -> str:
        """All that was shown."""
        return "".join(self._shown)

    def feed(self, piece: bytes) -> str:
        """Take the next token's bytes; return what can be shown now. Sets `stopped` at a stop string."""
        self._held += self._decode(piece)
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = self._held[: min(found)]
            return self._show(len(self._held))
        return self._show(len(self._held) - self._may_begin_a_stop())

    def finish(self) -> str:
        """Return what was held back for a stop string that did not come."""
        return self._show(len(self._held))

    def _may_begin_a_stop(self) -> int:
        """The length of the longest end of the held text that begins a stop string."""
        longest = max(map(len, self._stops), default=1) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-size:]) for stop in self._stops):
                return size
        return 0

    def _show(self, size: int) -> str:
        shown, self._held = self._held[:size], self._held[size:]
        self._shown.append(shown)
        return shown


class Sequence(Generic[S]):
    """All the state of one query in flight; `S` is the model's sampler."""

    def __init__(self, prompt: list[int], budget: int, sampler: S, stops: Iterable[str] = ()) -> None:
        """`budget`: how many tokens the answer may have, at least 1."""
        self.sampler = sampler
        self.row = 0
        self.prompt_tokens = len(prompt)
        self.completion_tokens = 0
        self.finish_reason: FinishReason | None = None
        self._tokens = list(prompt)
        self._seen = 0
        self._budget = budget
        self._answer = AnswerText(stops)
        self._started_s = self._first_token_s = self._ended_s = 0.0

    @property
    def text(self) -> str:
        """The answer so far, as shown."""
        return self._answer.text

    @property
    def awaits_token(self) -> bool:
        """True once the model has read all there is: the next token can be sampled."""
        return self._seen == len(self._tokens)

    @property
    def prefill_ms(self) -> float:
        """From the first step to the first token."""
        return (self._first_token_s - self._started_s) * 1000

    @property
    def decode_ms(self) -> float:
        """From the first token to the end."""
        return (self._ended_s - self._first_token_s) * 1000

    def begin(self, row: int) -> None:
        """Enter the batch at `row`, the place in the model's memory."""
        self.row = row
        self._started_s = time.monotonic()

    def next_span(self, limit: int) -> Span:
        """The next tokens for the model to read, at most `limit` (>= 1)."""
        tokens = self._tokens[self._seen : self._seen + limit]
        reaches_end = self._seen + len(tokens) == len(self._tokens)
        return Span(self.row, self._seen, tokens, wants_logits=reaches_end)

    def advance(self, count: int) -> None:
        """Note that the model has read `count` more tokens."""
        self._seen += count

    def accept(self, token: int, piece: bytes) -> str:
        """Add a sampled token; return the text that can be shown for it."""
        self._mark_first_token()
        self._tokens.append(token)
        self.completion_tokens += 1
        text = self._answer.feed(piece)
        if self._answer.stopped:
            self._end("stop")
        elif self.completion_tokens >= self._budget:
            text += self._end("length")
        return text

    def accept_end(self) -> str:
        """Take the model's own end of the answer; return the text that was held back."""
        self._mark_first_token()
        return self._end("stop")

    def _end(self, reason: FinishReason) -> str:
        self.finish_reason = reason
        self._ended_s = time.monotonic()
        return self._answer.finish()

    def _mark_first_token(self) -> None:
        self._first_token_s = self._first_token_s or time.monotonic()
