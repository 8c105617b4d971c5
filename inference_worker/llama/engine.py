"""Answers queries with a local model: asyncio's side, which tokenizes and talks to the step loop through queues.

Leaves llama.cpp to `model`, the prompt to `chat_template`, the steps to `step_loop`, a query's state to `sequence`.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import structlog

from contract.errors import EngineError, NoAnswerError, PromptTooLongError, SettingsError
from contract.messages import Query
from inference_worker.engines.answer_text import Thoughts
from inference_worker.engines.base import Completion, Piece
from inference_worker.engines.prompt import clean
from inference_worker.llama.chat_template import Prompt
from inference_worker.llama.sequence import Sequence
from inference_worker.llama.step_loop import STOPPED, OnStep, StepLoop, Ticket

if TYPE_CHECKING:
    from inference_worker.llama.binding.model import Model
    from inference_worker.llama.binding.sampler import Sampler

_ANSWER_SHARE: Final = 4
"""A prompt must leave room for the answer asked for, or for this part (1/n) of the context if that is less."""

_NAMING_TURNS: Final = 2
"""The first two messages, a system's and a user's in most cases, tell conversations apart."""

_CUT_MARGIN: Final = 1.05
"""Tokens are not spread evenly over a text: ask to cut a little more."""


log = structlog.get_logger(__name__)


class LlamaEngine:
    """The asyncio side: takes any number of queries, and hands each its events as the thread makes them."""

    def __init__(
        self,
        model: "Model",
        *,
        name: str = "",
        cache_bytes: int = 0,
        share_with: Literal["client", "all"] = "client",
        on_step: OnStep = lambda step_s, library_s: None,
    ) -> None:
        """Owns `model` from now on, and closes it. `cache_bytes` bounds the cache of prefixes, shared within a client.

        `name` is the model's name in answers; empty: the file's. `on_step` is called after each step, on its thread.
        """
        self.model_name = name or model.name
        self.slots = model.rows
        self._model = model
        self._shares_with_all = share_with == "all"
        self._closed = False
        self._tokenizer = ThreadPoolExecutor(1, "tokenizer")
        shared_prefixes = [prefix_tokens(model, text) for text in model.template.shared_prefixes()]
        self._steps = StepLoop(model, cache_bytes, shared_prefixes, on_step)

    @property
    def context_tokens(self) -> int:
        return self._model.context_tokens

    @property
    def max_prompt_bytes(self) -> int:
        return self._model.context_tokens * self._model.vocabulary.longest_token_bytes

    @property
    def tokens_generated(self) -> int:
        return self._steps.tokens_generated

    @property
    def stalled_s(self) -> float:
        return self._steps.stalled_s

    @property
    def blocker(self) -> str | None:
        if self._steps.has_died:
            return "The thread that runs the model has ended."
        if changed := self._model.files.changed:
            return f"The model's file {changed.name} was written to while it runs."
        return None

    def warm_up(self) -> None:
        """Wait for the first step, which reads all weights; closes the engine and raises SettingsError if it failed."""
        if error := self._steps.first_error():
            self._closed = True
            self._shut_down()
            raise SettingsError(
                f"MODEL_NAME: {self.model_name} can't evaluate its own prompt: {str(error).rstrip('.')}. "
                "Name another model, or convert this one again."
            )

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """A cheap check, to be called often: is the query's document in the KV cache, or being prefilled?"""
        document = self._document(query, self._scope(owner)) if query.context or query.turns else ""
        return lambda: bool(document) and document in self._steps.documents

    def needs_slot(self, query: Query) -> bool:
        """Every query."""
        return True

    async def count_tokens(self, text: str) -> int:
        """Exactly, by the model's vocabulary; raises EngineError once closed."""
        if self._closed:
            raise EngineError(STOPPED)
        tokenize = self._model.vocabulary.tokenize
        return len(await asyncio.wrap_future(self._tokenizer.submit(tokenize, clean(text), parse_special=False)))

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        """Yield pieces, then one completion. Closing the generator stops the work at the next step.

        Raises PromptTooLongError, or EngineError for what went wrong inside.
        """
        prompt = await self._tokenized(query)
        budget = answer_budget(prompt, query.max_tokens, self._model.context_tokens)
        sampler = await self._sampler(query)
        ticket, thoughts = self._submit(query, prompt, budget, sampler, self._scope(owner)), Thoughts()
        try:
            while not isinstance(event := await ticket.next_event(), Completion):
                if text := thoughts.feed(event.text):
                    yield Piece(text)
            if blocker := self.blocker:
                raise EngineError(blocker)
            if text := thoughts.finish():
                yield Piece(text)
            yield _without_thoughts(event)
        finally:
            ticket.cancelled = True

    async def forget(self) -> None:
        """Drop the cached prefixes and the idle rows now, and rows in use as their answers end."""
        await asyncio.wrap_future(self._steps.forget())

    async def close(self) -> None:
        """Stop the thread at its next step and free the model; what is still generating raises EngineError."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._shut_down)

    async def _tokenized(self, query: Query) -> "TokenizedPrompt":
        # A megabyte takes a second: neither on the event loop's thread nor on the engine's.
        if self._closed:
            raise EngineError(STOPPED)
        try:
            return await asyncio.wrap_future(self._tokenizer.submit(self._tokenize, query))
        # Of any kind: a chat template is a program of the model's author. It fails this query; its next attempt may do.
        except Exception:
            log.exception("the prompt could not be tokenized")
            raise EngineError from None

    def _tokenize(self, query: Query) -> "TokenizedPrompt":
        prompt = self._model.template.render(query.query, query.context, query.turns)
        vocabulary = self._model.vocabulary
        prefix = self._before(prompt)
        user = vocabulary.tokenize(prompt.user, parse_special=False)
        after = vocabulary.tokenize(prompt.after, parse_special=True)
        document = vocabulary.tokens_within(user, prompt.document_bytes)
        kept = len(prefix) + document if document else 0
        if query.turns and not document:
            # The next turn of the conversation begins with all of it.
            kept = len(prefix) + len(user) + len(after)
        chars = len(prompt.user) + sum(len(said) for _, said in prompt.earlier)
        tokens = prefix + user + after
        return TokenizedPrompt(tokens, len(tokens) if prompt.earlier else len(user), chars, kept)

    def _before(self, prompt: Prompt) -> list[int]:
        """What comes before the last text of a user, as tokens: only the template's parts may be control tokens."""
        if not prompt.earlier:
            return prefix_tokens(self._model, prompt.before)
        tokenize = self._model.vocabulary.tokenize
        (template, said), *others = prompt.earlier
        tokens = prefix_tokens(self._model, template) + tokenize(said, parse_special=False)
        for template, said in others:
            tokens += tokenize(template, parse_special=True)
            tokens += tokenize(said, parse_special=False)
        return tokens + tokenize(prompt.before, parse_special=True)

    async def _sampler(self, query: Query) -> "Sampler":
        asked = query.temperature, query.top_p, query.seed
        if not query.asks_for_json:
            return self._model.sampler(*asked)
        # A large schema's grammar takes tens of milliseconds.
        schema = query.response_format.schema if query.response_format else None
        return await asyncio.wrap_future(self._tokenizer.submit(self._model.sampler, *asked, schema))

    def _submit(self, query: Query, prompt: "TokenizedPrompt", budget: int, sampler: "Sampler", scope: str) -> "Ticket":
        sequence = Sequence(
            prompt.tokens,
            budget,
            sampler,
            query.stop,
            owner=scope,
            document=self._document(query, scope),
            document_tokens=prompt.document_tokens,
        )
        ticket = Ticket(sequence)
        self._steps.submit(ticket)
        return ticket

    def _scope(self, owner: str) -> str:
        return "" if self._shares_with_all else owner

    @staticmethod
    def _document(query: Query, scope: str) -> str:
        """A name for the document within its scope, for the order of work only; sharing compares tokens.

        Without a document a conversation is named, by how it begins.
        """
        text = query.context or "\n".join(turn.content for turn in query.turns[:_NAMING_TURNS])
        return hashlib.blake2b(f"{scope}\n{text}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def _shut_down(self) -> None:
        # First the users of the model, then the model.
        self._tokenizer.shutdown()
        self._steps.stop()
        self._model.close()


def _without_thoughts(completion: Completion) -> Completion:
    """What a model thinks before its answer is none; raises NoAnswerError where nothing follows."""
    thoughts = Thoughts()
    text = thoughts.feed(completion.text) + thoughts.finish()
    if thoughts.found and not text.strip():
        raise NoAnswerError
    return msgspec.structs.replace(completion, text=text)


class TokenizedPrompt(msgspec.Struct, frozen=True):
    """A prompt as tokens; how many of them, and how many characters, are the user's own text.

    The first `document_tokens` end with the document; 0 without one.
    """

    tokens: list[int]
    user_tokens: int
    user_chars: int
    document_tokens: int = 0


def prefix_tokens(model: "Model", text: str) -> list[int]:
    """The template's text before the user's, as tokens, with the vocabulary's first token where it wants one."""
    tokens, mark = model.vocabulary.tokenize(text, parse_special=True), model.vocabulary.begin_tokens()
    return tokens if tokens[: len(mark)] == mark else mark + tokens


def answer_budget(prompt: TokenizedPrompt, max_tokens: int, context_tokens: int) -> int:
    """How many tokens the answer may have; raises PromptTooLongError when too few are left for it."""
    prompt_tokens = len(prompt.tokens)
    limit = context_tokens - min(max_tokens, context_tokens // _ANSWER_SHARE)
    if prompt_tokens > limit:
        chars_per_token = prompt.user_chars / max(1, prompt.user_tokens)
        cut_chars = math.ceil((prompt_tokens - limit) * chars_per_token * _CUT_MARGIN)
        raise PromptTooLongError(prompt_tokens, limit, min(cut_chars, prompt.user_chars))
    return min(max_tokens, context_tokens - prompt_tokens)
