"""One query in flight: its tokens, how many of them are in the KV cache, and the text generated so far.

Knows nothing of the model, the thread or the bus; the step loop moves it forward.
"""

import codecs
import enum
import time
from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

from contract.messages import FinishReason

S = TypeVar("S")


class Span(msgspec.Struct, frozen=True):
    """Consecutive tokens of one sequence for one step; the first one is at `position`."""

    row: int
    position: int
    tokens: list[int]
    wants_logits: bool


class State(enum.Enum):
    """How far a sequence has come."""

    WAITING = "waiting"
    """Not admitted: all slots are taken, or it was preempted."""
    ADMITTED = "admitted"
    """Has a slot but no row yet: it may wait for its leader's prefill."""
    PREFILLING = "prefilling"
    """Has a row; the prompt is not in the KV cache yet."""
    DECODING = "decoding"
    """Has a row; all but the last sampled token are in the KV cache."""
    FINISHED = "finished"


class AnswerText:
    """Turns tokens' bytes into text that can be sent: whole characters, and nothing of a stop string.

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
        """All text returned so far."""
        return "".join(self._shown)

    def feed(self, piece: bytes) -> str:
        """Take the next token's bytes; return the text that can be sent now. Sets `stopped` at a stop string."""
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

    def __init__(
        self,
        prompt: list[int],
        budget: int,
        sampler: S,
        stops: Iterable[str] = (),
        *,
        owner: str = "",
        document: str = "",
        document_tokens: int = 0,
    ) -> None:
        """`budget`: the longest answer in tokens, at least 1. `owner`: prefixes are shared within one owner only.

        The first `document_tokens` of the prompt are worth caching for the next question; `document` names them.
        """
        self.state = State.WAITING
        self.sampler = sampler
        self.owner = owner
        self.document = document
        self.document_tokens = document_tokens
        self.row: int | None = None
        self.leader: Sequence[S] | None = None
        """The sequence prefilling the same prefix; this one waits and copies its KV."""
        self.tokens = list(prompt)
        self.seen = 0
        """How many of the tokens are in the row's KV cache."""
        self.prompt_tokens = len(prompt)
        self.cached_tokens = 0
        self.completion_tokens = 0
        self.finish_reason: FinishReason | None = None
        self._budget = budget
        self._answer = AnswerText(stops)
        self.started_s = 0.0
        self._first_token_s = self._ended_s = 0.0

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._answer.text

    @property
    def most_tokens(self) -> int:
        """The worst case: the prompt and the longest answer."""
        return self.prompt_tokens + self._budget

    @property
    def unread(self) -> int:
        """How many tokens are not in the KV cache yet."""
        return len(self.tokens) - self.seen

    @property
    def has_row(self) -> bool:
        return self.state in (State.PREFILLING, State.DECODING)

    @property
    def is_decoding(self) -> bool:
        return self.state is State.DECODING

    @property
    def prefill_ms(self) -> float:
        """From the first step to the first token."""
        return (self._first_token_s - self.started_s) * 1000

    @property
    def decode_ms(self) -> float:
        """From the first token to the end."""
        return (self._ended_s - self._first_token_s) * 1000

    def admit(self, now_s: float) -> None:
        """Take a slot; the time to the first token counts from the first `now_s` (monotonic)."""
        self.state = State.ADMITTED
        self.started_s = self.started_s or now_s

    def enter(self, row: int, held: int) -> None:
        """Take a row whose KV cache holds the first `held` tokens already."""
        self.state = State.PREFILLING
        self.row, self.seen, self.leader = row, held, None
        if not self.completion_tokens:
            self.cached_tokens = held

    def leave(self) -> None:
        """Give the row up, to prefill everything again in another one."""
        self.state = State.WAITING
        self.row, self.seen, self.leader = None, 0, None

    def next_span(self, limit: int) -> Span:
        """The next tokens to evaluate, at most `limit` (>= 1); raises ValueError without a row."""
        if self.row is None:
            raise ValueError("a sequence without a row evaluates nothing")
        tokens = self.tokens[self.seen : self.seen + limit]
        reaches_end = self.seen + len(tokens) == len(self.tokens)
        return Span(self.row, self.seen, tokens, wants_logits=reaches_end)

    def advance(self, count: int) -> None:
        """Note that `count` more tokens are in the KV cache."""
        self.seen += count

    def accept(self, token: int, piece: bytes) -> str:
        """Add a sampled token; return the text that can be sent for it."""
        self.state = State.DECODING
        self._mark_first_token()
        self.tokens.append(token)
        self.completion_tokens += 1
        text = self._answer.feed(piece)
        if self._answer.stopped:
            self._end("stop")
        elif self.completion_tokens >= self._budget:
            text += self._end("length")
        return text

    def accept_end(self) -> str:
        """Take the model's end-of-answer token; return the text that was held back."""
        self._mark_first_token()
        return self._end("stop")

    def _end(self, reason: FinishReason) -> str:
        self.state = State.FINISHED
        self.finish_reason = reason
        self._ended_s = time.monotonic()
        return self._answer.finish()

    def _mark_first_token(self) -> None:
        self._first_token_s = self._first_token_s or time.monotonic()
