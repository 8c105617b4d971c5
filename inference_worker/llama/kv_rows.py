"""Which sequence has which row of the model's memory, and what of earlier ones it can begin with.

Knows rows, owners and donors; nothing of steps and times.
"""

from typing import Final, Generic, TypeVar

from inference_worker.llama.kv_memory import Memory, Sized
from inference_worker.llama.prefix_cache import Donor, Donors, common_length
from inference_worker.llama.sequence import Sequence

S = TypeVar("S")
Saved = TypeVar("Saved", bound=Sized)

WORTH_TOKENS: Final = 64
"""Fewer tokens are read again sooner than they are saved and restored."""


class Row(Generic[S]):
    """A place in the model's memory: the sequence that has it, or what the last one left there."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.sequence: Sequence[S] | None = None
        self.used = 0
        """Orders idle rows by age."""
        self._tokens: list[int] = []
        self._owner = self._document = ""
        self._document_tokens = 0

    @property
    def tokens(self) -> list[int]:
        """The first `held` of them are in the cells."""
        return self.sequence.tokens if self.sequence else self._tokens

    @property
    def held(self) -> int:
        return self.sequence.seen if self.sequence else len(self._tokens)

    @property
    def owner(self) -> str:
        return self.sequence.owner if self.sequence else self._owner

    @property
    def document(self) -> str:
        return self.sequence.document if self.sequence else self._document

    @property
    def document_tokens(self) -> int:
        """So many of the tokens held are worth keeping."""
        return min(self.sequence.document_tokens if self.sequence else self._document_tokens, self.held)

    def vacate(self) -> None:
        """Become idle with what the sequence has read."""
        if sequence := self.sequence:
            self._tokens = sequence.tokens[: sequence.seen]
            self._owner, self._document = sequence.owner, sequence.document
            self._document_tokens = sequence.document_tokens
            self.sequence = None

    def empty(self) -> None:
        """Hold nothing, while idle."""
        self._tokens = []
        self._owner = self._document = ""
        self._document_tokens = 0


class Rows(Generic[S, Saved]):
    """All rows, and the donors that lie outside of them."""

    def __init__(self, memory: Memory[Saved], count: int, donor_bytes: int) -> None:
        self._memory = memory
        self._rows: list[Row[S]] = [Row(index) for index in range(count)]
        self._clock = 0
        self.donors: Donors[Saved] = Donors(donor_bytes)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def idle(self) -> list[Row[S]]:
        return [row for row in self._rows if row.sequence is None]

    @property
    def documents(self) -> frozenset[str]:
        """What can be asked on without reading it again."""
        return frozenset({row.document for row in self._rows} | self.donors.documents)

    def enter(self, sequence: Sequence[S]) -> None:
        """Give a sequence the row that spares it the most reading. Needs an idle row."""
        row, length = self._best_row(sequence)
        kept, donor = self._best_donor(sequence)
        if row and not row.sequence and _is_better(row, length, kept):
            return self._go_on(sequence, row, length)
        if row and length > kept + WORTH_TOKENS:
            kept, donor = length, self._save(row)
        return self._copy(sequence, donor, kept)

    def leave(self, sequence: Sequence[S]) -> Row[S] | None:
        """Let the sequence's row be idle, with what was read; that row, if it had one."""
        if sequence.row is None:
            return None
        row = self._rows[sequence.row]
        self._clock += 1
        row.used = self._clock
        row.vacate()
        return row

    def drop(self, row: Row[S]) -> None:
        """Free an idle row's cells."""
        if row.held:
            self._memory.forget(row.index)
            row.empty()

    def clear(self) -> None:
        """Note that no idle row holds anything any more: donors lie outside of the cells."""
        for row in self.idle:
            row.empty()

    def had(self, sequence: Sequence[S]) -> int:
        """How many of its first tokens a sequence would find now."""
        return max(self._best_row(sequence)[1], self._best_donor(sequence)[0])

    def _best_row(self, sequence: Sequence[S]) -> tuple[Row[S] | None, int]:
        """The row of the same owner that holds the most of the sequence's first tokens; idle ones win a tie."""
        lengths = [
            (min(shared_tokens(sequence, row.tokens), row.held), row.sequence is None, -row.index)
            for row in self._rows
            if row.owner == sequence.owner
        ]
        length, _, index = max(lengths, default=(0, False, 0))
        return (self._rows[-index], length) if length else (None, 0)

    def _best_donor(self, sequence: Sequence[S]) -> tuple[int, Donor[Saved] | None]:
        length, donor = self.donors.best(sequence.tokens, sequence.owner)
        return min(length, len(sequence.tokens) - 1), donor

    def _go_on(self, sequence: Sequence[S], row: Row[S], length: int) -> None:
        if row.document_tokens > length:
            self._keep(row)
        held = length if self._memory.truncate(row.index, length) else 0
        self._occupy(row, sequence, held)

    def _copy(self, sequence: Sequence[S], donor: Donor[Saved] | None, length: int) -> None:
        row = min(self.idle, key=lambda row: (not self._is_beside_others(row), row.held > 0, row.used))
        self._keep(row)
        self.drop(row)
        held = length if donor and self._memory.restore(row.index, donor.saved, length) else 0
        self._occupy(row, sequence, held)

    def _is_beside_others(self, row: Row[S]) -> bool:
        """A round over rows that follow one another takes one pass of llama.cpp: worth more than what is in the row,
        which is kept outside."""
        beside = self._rows[max(row.index - 1, 0) : row.index + 2]
        return any(other.sequence is not None for other in beside)

    def _occupy(self, row: Row[S], sequence: Sequence[S], held: int) -> None:
        row.empty()
        row.sequence = sequence
        sequence.enter(row.index, held)

    def _keep(self, row: Row[S]) -> None:
        """Save a document before its row is used for another one, unless it can be had elsewhere."""
        length = row.document_tokens
        if length < WORTH_TOKENS or self.donors.covers(row.tokens, row.owner, length):
            return
        others = (other for other in self._rows if other is not row and other.owner == row.owner)
        if not any(min(other.held, common_length(other.tokens, row.tokens)) >= length for other in others):
            self._save(row)

    def _save(self, row: Row[S]) -> Donor[Saved]:
        donor = Donor(row.tokens[: row.held], row.owner, row.document, self._memory.save(row.index))
        self.donors.put(donor)
        return donor


def shared_tokens(sequence: Sequence[S], tokens: list[int]) -> int:
    """How many of its first tokens a sequence could copy: one must be left to read, or there are no logits."""
    return min(common_length(sequence.tokens, tokens), len(sequence.tokens) - 1)


def _is_better(row: Row[S], length: int, kept: int) -> bool:
    """True when to go on in an idle row costs less than to copy a donor into another one."""
    loses_nothing = row.document_tokens <= length
    return length >= kept + WORTH_TOKENS or (loses_nothing and length >= max(kept, 1))
