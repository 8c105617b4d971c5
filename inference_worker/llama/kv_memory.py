"""The KV cache as the scheduler sees it: rows that hold tokens, and copies of rows."""

from typing import Protocol, TypeVar

from contract.errors import EngineError


class DecodeError(EngineError):
    """The model could not run a step."""


class NoRoomError(DecodeError):
    """The step found no room in the KV cache; nothing has changed."""


class Sized(Protocol):
    """A copy of a row; its size in bytes."""

    @property
    def nbytes(self) -> int: ...


Saved = TypeVar("Saved", bound=Sized)


class Memory(Protocol[Saved]):
    """The KV cache, row by row."""

    def save(self, row: int) -> Saved:
        """A copy of all that the row holds."""

    def restore(self, row: int, saved: Saved, length: int) -> bool:
        """Let the row hold the first `length` tokens of what was saved; False, and an empty row, when it can't be."""

    def truncate(self, row: int, length: int) -> bool:
        """Keep the row's first `length` tokens; False, and an empty row, when it can't be."""

    def forget(self, row: int) -> None:
        """Empty the row."""
