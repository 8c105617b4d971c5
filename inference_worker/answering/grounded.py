"""An engine whose answers show where they stand: finds evidence first, then quotes it, or lets the model write.

Knows no bus and no model: an engine behind it writes, `texts` finds the sentences.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec
from msgspec import UNSET

from contract.errors import DocumentRefusedError
from contract.evidence import (
    ALONE_FROM,
    Span,
    answerable,
    cite,
    is_refusal,
    needs_whole_document,
    quote,
    support,
    with_answer,
)
from contract.evidence.words import terms_of
from contract.messages import MAX_CITATIONS, AnswerFrom, Citation, Grounds, Query, Style, Usage
from inference_worker.answering.excerpt import Excerpt, fitting, whole
from inference_worker.answering.found import Found
from inference_worker.answering.library import Library, names_documents
from inference_worker.answering.reads import Read, Reads
from inference_worker.answering.texts import Texts
from inference_worker.engines.base import Completion, Engine, Evidence, Piece
from inference_worker.settings import Abstain

NOT_IN_THE_DOCUMENT: Final = "The document does not seem to say this."
QUOTED: Final = "quote"
"""Named as the model of an answer that no model wrote."""
_FOLLOW_UP_WORDS: Final = 2
"""A question of no more words that count may speak of what the question before it named."""
_CHARS_PER_TOKEN: Final = 3
"""Fewer than most texts have, so that what is read fits."""


class Grounding(msgspec.Struct, frozen=True, kw_only=True):
    """How answers are made: the style of questions that name none, and what is done where the document is silent."""

    style: Style = "auto"
    auto_quotes: bool = False
    """Whether `auto` quotes: measured for the model, see `docqa bench answers`."""
    evidence_tokens: int | None = None
    """So many tokens of a longer document does the model read: its evidence. None: it reads the whole."""
    abstain: Abstain = "mark"
    support_min: float | None = None
    """Answers of less support count as not answerable; None: the bound that was fitted."""
    only_asked: bool = False
    """Questions that name no style pass as they are: for the echo engine, whose words are no answer."""


class Grounded:
    """Answers with citations. Owns the engine from its making on, and closes it."""

    def __init__(self, engine: Engine, texts: Texts, grounding: Grounding, library: Library | None = None) -> None:
        self._engine = engine
        self._library = library
        self._texts = texts
        self._grounding = grounding
        self._reads = Reads()
        self._forgetting = asyncio.Lock()

    @property
    def writer(self) -> Engine:
        """The engine behind it."""
        return self._engine

    @property
    def model_name(self) -> str:
        return self._engine.model_name

    @property
    def slots(self) -> int:
        return self._engine.slots

    @property
    def context_tokens(self) -> int:
        return self._engine.context_tokens

    @property
    def max_prompt_bytes(self) -> int:
        return self._engine.max_prompt_bytes

    @property
    def tokens_generated(self) -> int:
        return self._engine.tokens_generated

    @property
    def stalled_s(self) -> float:
        return self._engine.stalled_s

    @property
    def blocker(self) -> str | None:
        return self._engine.blocker

    def needs_slot(self, query: Query) -> bool:
        """A quote is made without the model."""
        return not self._quotes(query)

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """As the engine says."""
        return self._engine.watch(query, owner)

    async def count_tokens(self, text: str) -> int:
        """As the engine counts."""
        return await self._engine.count_tokens(text)

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        """The evidence, then pieces, then the completion with its citations; without a document as the engine does.

        Raises DocumentRefusedError as soon as a document that it reads is erased, and what the engine raises.
        """
        if not self._is_grounded(query):
            async for event in self._written(query, owner):
                yield event
            return
        with self._reads.reading() as read:
            async with contextlib.aclosing(self._answered(query, owner, read)) as events:
                async for event in events:
                    read.check()
                    yield _naming(event, read)

    async def _answered(
        self, query: Query, owner: str, read: Read
    ) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        began_s = time.monotonic()
        searched, found = await self._search(query, owner)
        read.note(found.documents)
        yield Evidence(found.citations(found.ranked))
        if self._quotes(query):
            completion = self._quoted(searched, found, began_s)
            yield Piece(completion.text)
            yield completion
            return
        if self._refuses(query, found):
            completion = self._refused(found, began_s)
            yield Piece(completion.text)
            yield completion
            return
        excerpt = await self._read_of(query, found)
        async for event in self._written(_about(query, excerpt), owner):
            if not isinstance(event, Completion):
                yield event
                continue
            # Each statement is compared with each sentence that was read: too long for the event loop.
            completion = await asyncio.to_thread(self._cited, event, searched, found, excerpt)
            if completion.grounds.answer_from == "both":
                # Nothing that was sent is taken back: the sentences follow what the model wrote.
                yield Piece(completion.text[len(event.text) :])
            yield completion

    async def erase(self, document: str) -> None:
        """Break off the answers that read a document, and forget what was read of it."""
        async with self._forgetting:
            if self._reads.erase(document):
                await self._forget()

    async def forget(self) -> None:
        """Forget all documents that were read for former questions."""
        async with self._forgetting:
            await self._forget()

    async def _forget(self) -> None:
        self._reads.begin_to_forget()
        await self._engine.forget()

    async def close(self) -> None:
        """Close the engine and forget the texts."""
        await self._engine.close()
        await self._texts.close()

    async def _search(self, query: Query, owner: str) -> tuple[Query, Found]:
        """What was found, and the question that found it. One whose few words no sentence holds ("And how much?") is
        also asked together with the one before it, and counts so where the document supports it better."""
        found = await self._find(query, owner)
        before = next((turn.content for turn in reversed(query.turns) if turn.role == "user"), "")
        words = set(terms_of(query.query))
        if not before.strip() or len(words) > _FOLLOW_UP_WORDS or (words and not found.features.unmatched):
            return query, found
        longer = msgspec.structs.replace(query, query=f"{before}\n{query.query}")
        more = await self._find(longer, owner)
        return (longer, more) if support(more.features) > support(found.features) else (query, found)

    async def _read_of(self, query: Query, found: Found) -> Excerpt:
        """What the model reads: the evidence, or the whole where that was measured to be better or is needed.

        An answer in a given form draws on many places of a document, as a summary does.
        """
        tokens = self._grounding.evidence_tokens
        if tokens is None or query.asks_for_json or needs_whole_document(query.query):
            return whole(found)
        return await fitting(found, min(tokens, self._engine.context_tokens // 2), self._engine.count_tokens)

    async def _find(self, query: Query, owner: str) -> Found:
        if not names_documents(query):
            return await self._texts.find(query.query, query.context)
        if self._library is None:
            raise DocumentRefusedError("library-unavailable", "This worker knows no library.")
        if query.documents and len(query.documents) == 1 and self._reads_all(query):
            longest = self._engine.context_tokens * _CHARS_PER_TOKEN
            return await self._library.read(query, owner, query.documents[0], longest)
        return await self._library.find(query, owner)

    async def _written(self, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        async with contextlib.aclosing(self._engine.generate(query, owner)) as events:
            async for event in events:
                yield event

    def _is_grounded(self, query: Query) -> bool:
        if names_documents(query):
            return True
        return bool(query.context.strip()) and not (self._grounding.only_asked and query.style is UNSET)

    def _quotes(self, query: Query) -> bool:
        if not self._is_grounded(query) or query.asks_for_json:
            return False
        style = self._style(query)
        if style == "auto":
            return self._grounding.auto_quotes and not needs_whole_document(query.query)
        return style == "quote"

    def _style(self, query: Query) -> Style:
        return self._grounding.style if query.style is UNSET or query.style == "auto" else query.style

    def _reads_all(self, query: Query) -> bool:
        """No sentence answers a wish for a summary: the document is read from its beginning, as far as it fits."""
        return self._style(query) != "quote" and needs_whole_document(query.query)

    def _quoted(self, query: Query, found: Found, began_s: float) -> Completion:
        """The sentences that answer, in the order of their rank; no token is read or written."""
        likely = support(found.features)
        holds = self._holds(likely, fitted=answerable(found.features))
        text, cited = _as_lines(found.citations(quote(found.text, found.sentences, found.ranked)))
        if not cited or (self._grounding.abstain == "refuse" and not holds):
            return self._refused(found, began_s)
        return _unwritten(text, began_s, self._grounds("quote", cited, found, likely, holds=holds))

    def _refuses(self, query: Query, found: Found) -> bool:
        """Whether a written answer is refused before its first token: the document does not seem to hold it."""
        if self._grounding.abstain != "refuse" or query.asks_for_json or needs_whole_document(query.query):
            return False
        return not self._holds(support(found.features), fitted=answerable(found.features))

    def _refused(self, found: Found, began_s: float) -> Completion:
        grounds = self._grounds("quote", [], found, support(found.features), holds=False)
        return _unwritten(NOT_IN_THE_DOCUMENT, began_s, grounds)

    def _cited(self, completion: Completion, query: Query, found: Found, excerpt: Excerpt) -> Completion:
        """The model's answer, aligned with the sentences that it read. Ranked ones are cited before others."""
        spans = cite(completion.text, found.text, [found.sentences[number] for number in excerpt.sentences])
        features = found.features
        if is_refusal(completion.text):
            grounds = self._grounds("model", [], found, 0.0, holds=False)
            return msgspec.structs.replace(completion, grounds=grounds)
        if needs_whole_document(query.query):
            # A question about the whole document is answered by no single sentence: support cannot be measured.
            grounds = Grounds(citations=_supporting(found, spans), evidence=found.citations(found.ranked))
            return msgspec.structs.replace(completion, grounds=grounds)
        holds = self._holds(support(features), fitted=answerable(features))
        best = [(found.sentences[one.index].start, found.sentences[one.index].end) for one in found.ranked]
        places = [span[:2] for span in spans]
        likely = support(with_answer(features, query.query, completion.text, found.text, places, best))
        origin: AnswerFrom = "model"
        cited = _supporting(found, spans)
        if holds and not query.asks_for_json and (not cited or likely < ALONE_FROM):
            quoted = found.citations(quote(found.text, found.sentences, found.ranked))
            said = " ".join(completion.text.split())
            if not all(" ".join(one.quote.split()) in said for one in quoted):
                text, added = _as_lines(quoted, f"{completion.text}\n\n")
                origin, cited = "both", _together(cited, added)
                completion = msgspec.structs.replace(completion, text=text)
        return msgspec.structs.replace(completion, grounds=self._grounds(origin, cited, found, likely, holds=holds))

    def _grounds(
        self, origin: AnswerFrom, cited: list[Citation], found: Found, likely: float, *, holds: bool
    ) -> Grounds:
        return Grounds(
            answer_from=origin,
            citations=cited,
            evidence=found.citations(found.ranked),
            answerable=None if self._grounding.abstain == "off" else holds,
            support=round(likely, 4),
        )

    def _holds(self, likely: float, *, fitted: bool) -> bool:
        bound = self._grounding.support_min
        return fitted if bound is None else likely >= bound


def _unwritten(text: str, began_s: float, grounds: Grounds) -> Completion:
    """An answer that no model wrote."""
    return Completion(
        text=text,
        finish_reason="stop",
        usage=Usage(prompt_tokens=0, completion_tokens=0),
        prefill_ms=round((time.monotonic() - began_s) * 1000, 1),
        decode_ms=0.0,
        model=QUOTED,
        grounds=grounds,
    )


def _naming(event: Evidence | Piece | Completion, read: Read) -> Evidence | Piece | Completion:
    """With the documents that were read, so that an answer that cites none of them is erased with them, too."""
    if not isinstance(event, Completion) or not read.documents:
        return event
    grounds = msgspec.structs.replace(event.grounds, documents=sorted(read.documents))
    return msgspec.structs.replace(event, grounds=grounds)


def _about(query: Query, excerpt: Excerpt) -> Query:
    """The query that the model gets: what is read in the place of the whole, or of the documents' names."""
    if not names_documents(query) and excerpt.text == query.context:
        return query
    return msgspec.structs.replace(query, context=excerpt.text, documents=UNSET, space=UNSET, path=UNSET)


def _supporting(found: Found, spans: list[Span]) -> list[Citation]:
    """The citations of what a model wrote, each with its place in the answer."""
    return [
        msgspec.structs.replace(citation, answer_start=span.answer_start, answer_end=span.answer_end)
        for citation, span in zip(found.citations_of(span[:3] for span in spans), spans, strict=False)
    ]


def _together(written: list[Citation], quoted: list[Citation]) -> list[Citation]:
    """The citations of both parts of an answer; a sentence that is quoted is cited there."""
    shown = {(one.document, one.start) for one in quoted}
    return [*(one for one in written if (one.document, one.start) not in shown), *quoted][-MAX_CITATIONS:]


def _as_lines(cited: list[Citation], text: str = "") -> tuple[str, list[Citation]]:
    """The quotes behind `text` as one reads them, a line each, and the citations with the places of their lines.

    Where the document's own lines end says nothing.
    """
    placed: list[Citation] = []
    for citation in cited:
        start = len(text) + bool(placed)
        text += ("\n" if placed else "") + " ".join(citation.quote.split())
        placed.append(msgspec.structs.replace(citation, answer_start=start, answer_end=len(text)))
    return text, placed
