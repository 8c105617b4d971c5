"""One question as the comparison puts it to every system alike, and what came of it."""

from typing import Final

import msgspec

NO_ANSWER: Final = 0
"""The status of a question whose connection broke, or that was not answered in time."""


class Task(msgspec.Struct, frozen=True):
    """A question on a document (none: a question of general knowledge); always at temperature 0."""

    query: str
    context: str
    max_tokens: int
    references: tuple[str, ...] = ()


class Reply(msgspec.Struct, frozen=True):
    """What the client saw. `moments_s`: when pieces of the answer came, counted from the sending."""

    status: int
    took_s: float
    text: str = ""
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    moments_s: tuple[float, ...] = ()
