"""Assigns rows of the KV cache to sequences, and finds for each the longest prefix that it can reuse.

Knows rows, owners and cached prefixes; nothing of steps and times.
"""

from typing import Final, Generic, TypeVar

from inference_worker.llama.kv_memory import Memory, Sized
from inference_worker.llama.prefix_cache import CachedPrefix, PrefixCache, common_length
from inference_worker.llama.sequence import Sequence

S = TypeVar("S")
Saved = TypeVar("Saved", bound=Sized)

WORTH_TOKENS: Final = 64
"""Prefilling fewer tokens than this again is quicker than saving and restoring them."""


class Row(Generic[S]):
    """A row of the KV cache: in use by a sequence, or idle with what the last one left in it."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.sequence: Sequence[S] | None = None
        self.used = 0
        """Counts up over all rows: orders idle rows by age."""
        self._tokens: list[int] = []
        self._owner = self._document = ""
        self._document_tokens = 0
        self.is_private = False
        """True: what it holds is for its sequence alone, and goes with it."""

    @property
    def tokens(self) -> list[int]:
        """The first `held` of them are in the KV cache."""
        return self.sequence.tokens if self.sequence else self._tokens

    @property
    def held(self) -> int:
        """How many tokens are in the KV cache."""
        return self.sequence.seen if self.sequence else len(self._tokens)

    @property
    def owner(self) -> str:
        return self.sequence.owner if self.sequence else self._owner

    @property
    def document(self) -> str:
        return self.sequence.document if self.sequence else self._document

    @property
    def document_tokens(self) -> int:
        """How many of the held tokens are worth keeping."""
        return min(self.sequence.document_tokens if self.sequence else self._document_tokens, self.held)

    def vacate(self) -> None:
        """Become idle, with the tokens that the sequence has prefilled."""
        if sequence := self.sequence:
            self._tokens = sequence.tokens[: sequence.seen]
            self._owner, self._document = sequence.owner, sequence.document
            self._document_tokens = sequence.document_tokens
            self.sequence = None

    def empty(self) -> None:
        """Hold no tokens, while idle."""
        self._tokens = []
        self._owner = self._document = ""
        self._document_tokens = 0


class Rows(Generic[S, Saved]):
    """All rows, and the cache of prefixes outside of them."""

    def __init__(self, memory: Memory[Saved], count: int, cache_bytes: int, can_cut: bool = True) -> None:
        """Not `can_cut`: a row or a cached prefix is reused as a whole or not at all."""
        self._memory = memory
        self._can_cut = can_cut
        self._rows: list[Row[S]] = [Row(index) for index in range(count)]
        self._clock = 0
        self.cache: PrefixCache[Saved] = PrefixCache(cache_bytes)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def idle(self) -> list[Row[S]]:
        """The rows without a sequence."""
        return [row for row in self._rows if row.sequence is None]

    @property
    def documents(self) -> frozenset[str]:
        """The documents that need no prefill."""
        return frozenset({row.document for row in self._rows} | self.cache.documents)

    def enter(self, sequence: Sequence[S]) -> None:
        """Give a sequence the row that saves it the most prefill. Needs an idle row."""
        row, length = self._best_row(sequence)
        kept, cached = self._best_cached(sequence)
        if row and not row.sequence and _is_better(row, length, kept):
            return self._continue_in(sequence, row, length)
        if row and length > kept + WORTH_TOKENS:
            kept, cached = length, self._save(row)
        return self._copy(sequence, cached, kept)

    def leave(self, sequence: Sequence[S]) -> Row[S] | None:
        """Make the sequence's row idle, with its tokens. Returns that row, or None if it had none."""
        if sequence.row is None:
            return None
        row = self._rows[sequence.row]
        self._clock += 1
        row.used = self._clock
        row.vacate()
        if row.is_private:
            row.is_private = False
            self.drop(row)
        return row

    def keep(self, sequence: Sequence[S]) -> None:
        """Cache what a running sequence has read so far."""
        if sequence.row is not None:
            self._keep(self._rows[sequence.row])

    def drop(self, row: Row[S]) -> None:
        """Free an idle row's part of the KV cache."""
        if row.held:
            self._memory.forget(row.index)
            row.empty()

    def forget(self) -> None:
        """Drop cached prefixes and idle rows; a row in use is dropped with its sequence, and shared with none."""
        self.cache.clear()
        for row in self._rows:
            if row.sequence is None:
                self.drop(row)
            else:
                row.is_private = True

    def clear(self) -> None:
        """Note that the KV cache was cleared; cached prefixes lie outside of it and stay."""
        for row in self.idle:
            row.empty()

    def had(self, sequence: Sequence[S]) -> int:
        """How many of its first tokens a sequence could reuse now."""
        return max(self._best_row(sequence)[1], self._best_cached(sequence)[0])

    def _best_row(self, sequence: Sequence[S]) -> tuple[Row[S] | None, int]:
        """The row of the same owner that holds the most of the sequence's first tokens; idle rows win a tie."""
        lengths = [
            (min(shared_tokens(sequence, row.tokens), row.held), row.sequence is None, -row.index)
            for row in self._rows
            if row.owner == sequence.owner and not row.is_private and self._can_reuse(row, sequence)
        ]
        length, _, index = max(lengths, default=(0, False, 0))
        return (self._rows[-index], length) if length else (None, 0)

    def _can_reuse(self, row: Row[S], sequence: Sequence[S]) -> bool:
        """A model that can't drop tokens goes on after all that an idle row holds, or not at all."""
        return self._can_cut or (row.sequence is None and shared_tokens(sequence, row.tokens) == row.held)

    def _best_cached(self, sequence: Sequence[S]) -> tuple[int, CachedPrefix[Saved] | None]:
        length, cached = self.cache.best(sequence.tokens, sequence.owner, whole=not self._can_cut)
        return min(length, len(sequence.tokens) - 1), cached

    def _continue_in(self, sequence: Sequence[S], row: Row[S], length: int) -> None:
        if row.document_tokens > length:
            self._keep(row)
        held = length if self._memory.truncate(row.index, length) else 0
        self._occupy(row, sequence, held)

    def _copy(self, sequence: Sequence[S], cached: CachedPrefix[Saved] | None, length: int) -> None:
        row = min(self.idle, key=lambda row: (not self._is_beside_others(row), row.held > 0, row.used))
        # Where rows can't be cut, a document was cached as its end was read.
        if self._can_cut:
            self._keep(row)
        self.drop(row)
        held = length if cached and self._memory.restore(row.index, cached.saved, length) else 0
        self._occupy(row, sequence, held)

    def _is_beside_others(self, row: Row[S]) -> bool:
        """A decode step over adjacent rows takes one pass of llama.cpp, worth more than a row's content, which is
        saved outside."""
        beside = self._rows[max(row.index - 1, 0) : row.index + 2]
        return any(other.sequence is not None for other in beside)

    def _occupy(self, row: Row[S], sequence: Sequence[S], held: int) -> None:
        row.empty()
        row.sequence = sequence
        sequence.enter(row.index, held)

    def _keep(self, row: Row[S]) -> None:
        """Save a document before its row is reused, unless it is cached or in another row."""
        length = row.document_tokens
        if not row.is_private and length >= WORTH_TOKENS and not self._is_elsewhere(row, length):
            self._save(row)

    def _is_elsewhere(self, row: Row[S], length: int) -> bool:
        if not self._can_cut:
            return self.cache.best(row.tokens, row.owner, whole=True)[0] >= length
        if self.cache.covers(row.tokens, row.owner, length):
            return True
        others = (other for other in self._rows if other is not row and other.owner == row.owner)
        return any(min(other.held, common_length(other.tokens, row.tokens)) >= length for other in others)

    def _save(self, row: Row[S]) -> CachedPrefix[Saved]:
        cached = CachedPrefix(row.tokens[: row.held], row.owner, row.document, self._memory.save(row.index))
        self.cache.put(cached)
        return cached


def shared_tokens(sequence: Sequence[S], tokens: list[int]) -> int:
    """How many of its first tokens a sequence could copy: one must be left to evaluate, or there are no logits."""
    return min(common_length(sequence.tokens, tokens), len(sequence.tokens) - 1)


def _is_better(row: Row[S], length: int, kept: int) -> bool:
    """True when continuing in an idle row costs less than copying a cached prefix into another one."""
    loses_nothing = row.document_tokens <= length
    return length >= kept + WORTH_TOKENS or (loses_nothing and length >= max(kept, 1))
