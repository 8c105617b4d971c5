"""The interface of every engine: many queries at a time in, pieces of text out. Knows neither bus nor model."""

from collections.abc import AsyncGenerator, Callable
from typing import Final, Protocol

import msgspec

from contract.messages import Backend, Citation, FinishReason, Grounds, Query, Usage

_BYTES_PER_TOKEN: Final = 4
"""Typical of English; a job is tokenized only once it has a slot."""


def cost_tokens(query: Query, context_tokens: int) -> int:
    """About how many tokens a query takes; no more than the context holds, since longer prompts are not run."""
    return min(query.text_bytes // _BYTES_PER_TOKEN + query.max_tokens, context_tokens)


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has."""
    return len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN


class Piece(msgspec.Struct, frozen=True):
    """The next part of an answer; whole characters only."""

    text: str


class Evidence(msgspec.Struct, frozen=True):
    """The sentences that were found for the question, best first; comes before the first piece, if at all."""

    found: list[Citation]


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """The end of an answer: its whole text, and what it cost."""

    text: str
    finish_reason: FinishReason
    usage: Usage
    prefill_ms: float
    decode_ms: float
    model: str = ""
    """Which model answered; empty: the engine's own."""
    backend: Backend = "local"
    cache_key: str = ""
    """Under which the answer is cached; empty: it is not."""
    grounds: Grounds = Grounds()
    """Where the document supports the answer."""


class Engine(Protocol):
    """Answers up to `slots` queries at a time on a thread of its own."""

    @property
    def model_name(self) -> str:
        """Named in every answer."""

    @property
    def slots(self) -> int:
        """How many queries share the model at a time."""

    @property
    def context_tokens(self) -> int:
        """Prompt and answer of one query together fit in this many tokens."""

    @property
    def max_prompt_bytes(self) -> int:
        """A prompt of more UTF-8 bytes than this never fits."""

    @property
    def tokens_generated(self) -> int:
        """How many tokens were generated since the start, for rates."""

    @property
    def stalled_s(self) -> float:
        """How long the engine has had work without completing a step; 0 when idle. For any thread."""

    @property
    def blocker(self) -> str | None:
        """Why it can't answer until it is started again, in one sentence; None while it can. For any thread."""

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """A cheap check, to be called often: is the query's document in the model's memory, or being prefilled?"""

    def needs_slot(self, query: Query) -> bool:
        """Whether the model answers this query; one that needs no model waits for no slot."""

    async def count_tokens(self, text: str) -> int:
        """How many tokens a text of a user is in a prompt; an estimate where the tokenizer is not at hand."""

    def generate(self, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        """Yield the evidence, if any, then pieces, then one completion.

        Closing the generator (or cancelling its task) stops the work.
        `query.deadline_s` counts from now: an engine that waits does not wait past it.
        `owner` is `<publisher>.<client>`: nothing cached for one owner shows in another's answer.
        Raises PromptTooLongError, or EngineError for what went wrong inside.
        """

    async def forget(self) -> None:
        """Forget all texts that were read for questions; what is being answered is forgotten as it ends."""

    async def close(self) -> None:
        """Stop the engine; what is still generating raises EngineError."""
