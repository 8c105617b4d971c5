"""Decides what the model reads next: who runs, who waits for whom, and how long a step may be.

Knows sequences and times; rows and donors are in `rows`, and the model is behind `Memory`, so that thousands of
cases are tried without one.
"""

from collections import deque
from typing import Final, Generic, TypeAlias, TypeVar

from inference_worker.llama.kv_memory import Memory, Sized
from inference_worker.llama.kv_rows import WORTH_TOKENS, Rows, shared_tokens
from inference_worker.llama.prefix_cache import Donor
from inference_worker.llama.sequence import Sequence, Span

_FIRST_GUESS_S_PER_TOKEN: Final = 0.02
"""A large model on a small machine: the first step of an unknown model must not take half a minute."""

_LEAST_S_PER_TOKEN: Final = 1e-6

_FULL_WEIGHT_TOKENS: Final = 128
"""Short steps pay more for each token than long ones, and tell less of them."""


class Pace:
    """Follows the seconds that a token takes: they grow with the depth of a document."""

    def __init__(self) -> None:
        self._s_per_token = _FIRST_GUESS_S_PER_TOKEN

    def note(self, tokens: int, took_s: float) -> None:
        """Learn from one step that read `tokens`."""
        weight = min(tokens / _FULL_WEIGHT_TOKENS, 1.0)
        self._s_per_token += weight * (took_s / tokens - self._s_per_token)

    def tokens_in(self, seconds: float) -> int:
        """How many tokens can be read in `seconds`."""
        return int(seconds / max(self._s_per_token, _LEAST_S_PER_TOKEN)) if seconds > 0 else 0


S = TypeVar("S")
Saved = TypeVar("Saved", bound=Sized)

Planned: TypeAlias = tuple[Sequence[S], Span]

STALL_S: Final = 0.5
"""So long may those who answer stand still for those who read: reading goes faster when nothing is mixed in."""

STEP_S: Final = 2.0
"""So long may a step take when nobody answers: who comes or leaves waits for its end."""

AGEING_TOKENS_PER_S: Final = 200
"""Short texts are read first, but each second of waiting makes a text count as so much shorter."""

_MIN_CHUNK: Final = 8


class Scheduler(Generic[S, Saved]):
    """Continuous batching with shared prefixes. All methods belong to the engine's thread."""

    def __init__(self, memory: Memory[Saved], rows: int, row_tokens: int, step_tokens: int, donor_bytes: int) -> None:
        """`rows` sequences of `row_tokens` at a time; a step reads `step_tokens` and one more for each row at most."""
        self._rows: Rows[S, Saved] = Rows(memory, rows, donor_bytes)
        self._row_tokens = row_tokens
        self._step_tokens = step_tokens
        self._is_round = False
        self._round_ended_s = 0.0
        self._read_since_round = 0
        self._is_full = False
        self._waiting: deque[Sequence[S]] = deque()
        self.running: list[Sequence[S]] = []
        """In the order of their admission."""
        self.pace = Pace()
        self.documents: frozenset[str] = frozenset()
        """What can be asked on without reading it again; replaced as a whole, so that any thread may look."""

    def add(self, sequence: Sequence[S]) -> None:
        """Queue a sequence; raises ValueError for one that fits no row."""
        if sequence.most_tokens > self._row_tokens:
            raise ValueError(f"{sequence.most_tokens} tokens do not fit a row of {self._row_tokens}")
        self._waiting.append(sequence)

    def remove(self, sequence: Sequence[S]) -> None:
        """Take out a sequence, finished or not; its row keeps what was read."""
        if sequence in self.running:
            self.running.remove(sequence)
            self._rows.leave(sequence)
        elif sequence in self._waiting:
            self._waiting.remove(sequence)
        self._is_full = False
        self._release_followers(sequence)
        self.documents = self._rows.documents

    def clear(self) -> None:
        """After a failed step, when everybody was removed: nothing in the cells can be trusted."""
        self._rows.clear()

    def pin(self, tokens: list[int], saved: Saved) -> None:
        """Let everybody begin with `tokens`."""
        self._rows.donors.pin(Donor(tokens, None, "", saved))

    def plan(self, now_s: float) -> list[Planned[S]]:
        """The spans of the next step, by row; empty when there is nothing to do."""
        self._admit(now_s)
        for sequence in self.running:
            if sequence.row is None and not self._waits_for_leader(sequence):
                self._rows.enter(sequence)
                self.documents = self._rows.documents
        placed = [sequence for sequence in self.running if sequence.row is not None]
        decoding = [sequence for sequence in placed if sequence.is_decoding]
        reading = [sequence for sequence in placed if not sequence.is_decoding]
        room = self._reading_room(bool(decoding), now_s) if reading else 0
        self._is_round = not room
        if room:
            return _by_row(self._reading_spans(reading, room, now_s))
        # Rows that still read come along with one token each: llama.cpp splits a step where row numbers have gaps.
        return _by_row([(sequence, sequence.next_span(1)) for sequence in placed])

    def advance(self, batch: list[Planned[S]], began_s: float, ended_s: float) -> None:
        """Note that the model has run a step."""
        for sequence, span in batch:
            sequence.advance(len(span.tokens))
        if self._is_round:
            self._round_ended_s, self._read_since_round = ended_s, 0
        else:
            tokens = sum(len(span.tokens) for _, span in batch)
            self._read_since_round += tokens
            self.pace.note(tokens, ended_s - began_s)

    def relieve(self) -> bool:
        """Make room in the cells after a step that found none: idle rows first, then the youngest sequence.

        False when nothing is left to give up.
        """
        if idle := [row for row in self._rows.idle if row.held]:
            for unused in idle:
                self._rows.drop(unused)
            return True
        placed = [sequence for sequence in self.running if sequence.row is not None]
        if len(placed) < 2:
            return False
        self._preempt(placed[-1])
        return True

    def _preempt(self, sequence: Sequence[S]) -> None:
        """Let a sequence read everything again, once another one has ended: at once it would have to leave again."""
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
            sequence.start(now_s)
            self.running.append(sequence)

    def _waits_for_leader(self, sequence: Sequence[S]) -> bool:
        """True while another one reads what this one can copy soon."""
        if sequence.leader is None:
            sequence.leader = self._find_leader(sequence)
        leader = sequence.leader
        return leader is not None and leader.seen < shared_tokens(sequence, leader.tokens)

    def _find_leader(self, sequence: Sequence[S]) -> Sequence[S] | None:
        """The sequence that will hold much more of this one's prompt than can be had now."""
        others = [other for other in self.running if other.row is not None and other.owner == sequence.owner]
        if not others:
            return None
        shared, leader = max(
            ((shared_tokens(sequence, other.tokens), other) for other in others), key=lambda pair: pair[0]
        )
        return leader if shared >= self._rows.had(sequence) + WORTH_TOKENS else None

    def _release_followers(self, leader: Sequence[S]) -> None:
        for sequence in self.running:
            if sequence.leader is leader:
                sequence.leader = None

    def _reading_room(self, has_decoding: bool, now_s: float) -> int:
        """How many tokens may be read before those who answer get their next one; 0: they come first."""
        left_s = STALL_S - (now_s - self._round_ended_s) if has_decoding else STEP_S
        room = min(self.pace.tokens_in(left_s), self._step_tokens)
        # Between two rounds at least something is read, however slow the model is.
        if not has_decoding or not self._read_since_round:
            return max(room, _MIN_CHUNK)
        return room if room >= _MIN_CHUNK else 0

    def _reading_spans(self, reading: list[Sequence[S]], room: int, now_s: float) -> list[Planned[S]]:
        """Shortest first, so that a question on a known document does not wait for a long new one; with ageing."""
        spans = []
        for sequence in sorted(reading, key=lambda sequence: _rank(sequence, now_s)):
            if room:
                span = sequence.next_span(room)
                room -= len(span.tokens)
                spans.append((sequence, span))
        return spans


def _rank(sequence: Sequence[S], now_s: float) -> float:
    return sequence.unread - AGEING_TOKENS_PER_S * (now_s - sequence.started_s)


def _by_row(spans: list[Planned[S]]) -> list[Planned[S]]:
    return sorted(spans, key=lambda pair: pair[1].row)
