"""Decides which tokens the model evaluates next: which sequences run, and how long a step may be.

Knows sequences and times; rows are `kv_rows`'s, and the model is behind the protocol `Memory`, so that tests need none.
"""

from collections import deque
from typing import Final, Generic, TypeAlias, TypeVar

from inference_worker.llama.kv_memory import Memory, Sized
from inference_worker.llama.kv_rows import WORTH_TOKENS, Rows, shared_tokens
from inference_worker.llama.prefix_cache import CachedPrefix
from inference_worker.llama.sequence import Sequence, Span, State

_FIRST_GUESS_S_PER_TOKEN: Final = 0.02
"""Assume a large model on a small machine: its first step must not take half a minute."""

_LEAST_S_PER_TOKEN: Final = 1e-6

_FULL_WEIGHT_TOKENS: Final = 128
"""A step of this many tokens replaces the estimate; shorter ones, which pay more per token, count by their share."""


class Pace:
    """Estimates the seconds that prefilling a token takes; they grow with the position in the document."""

    def __init__(self) -> None:
        self._s_per_token = _FIRST_GUESS_S_PER_TOKEN

    def note(self, tokens: int, took_s: float) -> None:
        """Update the estimate from one step that prefilled `tokens` tokens."""
        weight = min(tokens / _FULL_WEIGHT_TOKENS, 1.0)
        self._s_per_token += weight * (took_s / tokens - self._s_per_token)

    def tokens_in(self, seconds: float) -> int:
        """How many tokens can be prefilled in `seconds`."""
        return int(seconds / max(self._s_per_token, _LEAST_S_PER_TOKEN)) if seconds > 0 else 0


S = TypeVar("S")
Saved = TypeVar("Saved", bound=Sized)

Planned: TypeAlias = tuple[Sequence[S], Span]

STALL_S: Final = 0.5
"""Longest pause of decoding rows for prefill; prefill is faster unmixed."""

STEP_S: Final = 2.0
"""Longest step while no row is decoding: arrivals and cancellations wait for its end."""

AGEING_TOKENS_PER_S: Final = 200
"""Short prompts are prefilled first; each second of waiting makes a prompt count as this many tokens shorter."""

_MIN_CHUNK: Final = 8


class Scheduler(Generic[S, Saved]):
    """Continuous batching with shared prefixes. All methods belong to the engine's thread."""

    def __init__(
        self,
        memory: Memory[Saved],
        rows: int,
        row_tokens: int,
        step_tokens: int,
        cache_bytes: int,
        *,
        can_cut: bool = True,
    ) -> None:
        """`rows` sequences of `row_tokens` each; a step evaluates at most `step_tokens` and one more per row.

        Not `can_cut`: what the model has read can't be shortened. Then documents are cached at their very end.
        """
        self._rows: Rows[S, Saved] = Rows(memory, rows, cache_bytes, can_cut)
        self._can_cut = can_cut
        self._row_tokens = row_tokens
        self._step_tokens = step_tokens
        self._is_decode_step = False
        self._decode_step_ended_s = 0.0
        self._prefilled_since_decode = 0
        self._is_full = False
        self._waiting: deque[Sequence[S]] = deque()
        self.running: list[Sequence[S]] = []
        """In the order of their admission."""
        self.pace = Pace()
        self.documents: frozenset[str] = frozenset()
        """The documents that need no prefill; replaced as a whole, so that any thread may read it."""

    def add(self, sequence: Sequence[S]) -> None:
        """Queue a sequence; raises ValueError for one that fits no row."""
        if sequence.most_tokens > self._row_tokens:
            raise ValueError(f"{sequence.most_tokens} tokens do not fit a row of {self._row_tokens}")
        self._waiting.append(sequence)

    def remove(self, sequence: Sequence[S]) -> None:
        """Take out a sequence, finished or not; its row keeps its tokens."""
        if sequence.state is State.WAITING:
            self._waiting.remove(sequence)
        else:
            self.running.remove(sequence)
            self._rows.leave(sequence)
        self._is_full = False
        self._release_followers(sequence)
        self.documents = self._rows.documents

    def clear(self) -> None:
        """After a failed step, when all sequences were removed: the KV cache can't be trusted."""
        self._rows.clear()

    def forget(self) -> None:
        """Drop what former sequences left; rows in use are dropped as their sequences end."""
        self._rows.forget()
        self.documents = self._rows.documents

    def pin(self, tokens: list[int], saved: Saved) -> None:
        """Keep `tokens` as a prefix that all owners may use."""
        self._rows.cache.pin(CachedPrefix(tokens, None, "", saved))

    def schedule(self, now_s: float) -> list[Planned[S]]:
        """The spans of the next step, by row; empty when there is nothing to do."""
        self._admit(now_s)
        self._assign_rows()
        decoding = [sequence for sequence in self.running if sequence.state is State.DECODING]
        prefilling = [sequence for sequence in self.running if sequence.state is State.PREFILLING]
        room = self._prefill_room(bool(decoding), now_s) if prefilling else 0
        self._is_decode_step = not room
        if room:
            return _by_row(self._prefill_spans(prefilling, room, now_s))
        # Prefilling rows take part with one token each: llama.cpp splits a step where row numbers have gaps.
        return _by_row([(sequence, sequence.next_span(1)) for sequence in (*decoding, *prefilling)])

    def advance(self, batch: list[Planned[S]], began_s: float, ended_s: float) -> None:
        """Note that the model has evaluated a step."""
        for sequence, span in batch:
            sequence.advance(len(span.tokens))
            if not self._can_cut and sequence.seen == sequence.document_tokens:
                self._rows.keep(sequence)
                self.documents = self._rows.documents
        if self._is_decode_step:
            self._decode_step_ended_s, self._prefilled_since_decode = ended_s, 0
        else:
            tokens = sum(len(span.tokens) for _, span in batch)
            self._prefilled_since_decode += tokens
            self.pace.note(tokens, ended_s - began_s)

    def relieve(self) -> bool:
        """Free room in the KV cache after a step that found none: idle rows first, then the youngest sequence.

        False when nothing is left to free.
        """
        if idle := [row for row in self._rows.idle if row.held]:
            for unused in idle:
                self._rows.drop(unused)
            return True
        placed = [sequence for sequence in self.running if sequence.has_row]
        if len(placed) < 2:
            return False
        self._preempt(placed[-1])
        return True

    def _preempt(self, sequence: Sequence[S]) -> None:
        """Preempt a sequence until another one has ended: with a row before that, it would be preempted again."""
        self.running.remove(sequence)
        if row := self._rows.leave(sequence):
            self._rows.drop(row)
        sequence.leave()
        self._release_followers(sequence)
        self._waiting.appendleft(sequence)
        self._is_full = True

    def _admit(self, now_s: float) -> None:
        while self._waiting and len(self.running) < len(self._rows) and not self._is_full:
            sequence = self._waiting.popleft()
            sequence.admit(now_s)
            self.running.append(sequence)

    def _assign_rows(self) -> None:
        for sequence in self.running:
            if sequence.state is State.ADMITTED and not self._waits_for_leader(sequence):
                self._rows.enter(sequence)
                self.documents = self._rows.documents

    def _waits_for_leader(self, sequence: Sequence[S]) -> bool:
        """True while another sequence prefills what this one can copy soon."""
        if sequence.leader is None:
            sequence.leader = self._find_leader(sequence)
        leader = sequence.leader
        return leader is not None and leader.seen < self._shared(sequence, leader)

    def _find_leader(self, sequence: Sequence[S]) -> Sequence[S] | None:
        """The sequence that will hold much more of this one's prompt than can be reused now."""
        others = [other for other in self.running if other.has_row and other.owner == sequence.owner]
        if not others:
            return None
        shared, leader = max(((self._shared(sequence, other), other) for other in others), key=lambda pair: pair[0])
        return leader if shared >= self._rows.had(sequence) + WORTH_TOKENS else None

    def _shared(self, sequence: Sequence[S], leader: Sequence[S]) -> int:
        """How many tokens a sequence can copy of what another one reads."""
        shared = shared_tokens(sequence, leader.tokens)
        if self._can_cut:
            return shared
        return leader.document_tokens if shared >= leader.document_tokens else 0

    def _release_followers(self, leader: Sequence[S]) -> None:
        for sequence in self.running:
            if sequence.leader is leader:
                sequence.leader = None

    def _prefill_room(self, has_decoding: bool, now_s: float) -> int:
        """How many tokens may be prefilled before the next decode step; 0: the decode step comes first."""
        left_s = STALL_S - (now_s - self._decode_step_ended_s) if has_decoding else STEP_S
        room = min(self.pace.tokens_in(left_s), self._step_tokens)
        # Between two decode steps at least something is prefilled, however slow the model is.
        if not has_decoding or not self._prefilled_since_decode:
            return max(room, _MIN_CHUNK)
        return room if room >= _MIN_CHUNK else 0

    def _prefill_spans(self, prefilling: list[Sequence[S]], room: int, now_s: float) -> list[Planned[S]]:
        """Shortest first, with ageing, so that a question on a known document does not wait for a long new one."""
        spans = []
        for sequence in sorted(prefilling, key=lambda sequence: _rank(sequence, now_s)):
            if room:
                span = sequence.next_span(self._reach(sequence, room))
                room -= len(span.tokens)
                spans.append((sequence, span))
        return spans

    def _reach(self, sequence: Sequence[S], room: int) -> int:
        """How many tokens to read next: where reading can't be shortened, not beyond the document's end."""
        left = sequence.document_tokens - sequence.seen
        return left if not self._can_cut and 0 < left < room else room


def _rank(sequence: Sequence[S], now_s: float) -> float:
    return sequence.unread - AGEING_TOKENS_PER_S * (now_s - sequence.started_s)


def _by_row(spans: list[Planned[S]]) -> list[Planned[S]]:
    return sorted(spans, key=lambda pair: pair[1].row)
