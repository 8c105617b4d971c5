"""An engine whose answers show where they stand: finds evidence first, then quotes it, or lets the model write.

Knows no bus and no model: an engine behind it writes, `texts` finds the sentences.
"""

import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec
from msgspec import UNSET

from contract.evidence import answerable, cite, features_of, is_refusal, needs_whole_document, quote, support
from contract.evidence.alignment import covered_share
from contract.messages import AnswerFrom, Citation, Grounds, Query, Style, Usage
from inference_worker.answering.citations import of_sentences, of_spans
from inference_worker.answering.texts import Prepared, Ranking, Texts
from inference_worker.engines.base import Completion, Engine, Evidence, Piece
from inference_worker.settings import Abstain

NOT_IN_THE_DOCUMENT: Final = "The document does not seem to say this."
QUOTED: Final = "quote"
"""Named as the model of an answer that no model wrote."""


class Grounding(msgspec.Struct, frozen=True, kw_only=True):
    """How answers are made: the style of questions that name none, and what is done where the document is silent."""

    style: Style = "auto"
    auto_quotes: bool = False
    """Whether `auto` quotes: measured for the model, see `docqa bench answers`."""
    abstain: Abstain = "mark"
    support_min: float | None = None
    """Answers of less support count as not answerable; None: the bound that was fitted."""
    only_asked: bool = False
    """Questions that name no style pass as they are: for the echo engine, whose words are no answer."""


class Grounded:
    """Answers with citations. Owns the engine from its making on, and closes it."""

    def __init__(self, engine: Engine, texts: Texts, grounding: Grounding) -> None:
        self._engine = engine
        self._texts = texts
        self._grounding = grounding
        self.model_name = engine.model_name
        self.slots = engine.slots

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

    def needs_slot(self, query: Query) -> bool:
        """A quote is made without the model."""
        return not self._quotes(query)

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """As the engine says."""
        return self._engine.watch(query, owner)

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        """The evidence, then pieces, then the completion with its citations; without a document as the engine does."""
        if not self._is_grounded(query):
            async for event in self._written(query, owner):
                yield event
            return
        began_s = time.monotonic()
        prepared, ranking = await self._texts.ranking(query.query, query.context)
        evidence = of_sentences(prepared.text, prepared.sentences, ranking.ranked)
        yield Evidence(evidence)
        if self._quotes(query):
            completion = self._quoted(query, prepared, ranking, evidence, began_s)
            yield Piece(completion.text)
            yield completion
            return
        async for event in self._written(query, owner):
            if not isinstance(event, Completion):
                yield event
                continue
            completion = self._cited(event, query, prepared, ranking, evidence)
            if completion.grounds.answer_from == "both":
                # Nothing that was sent is taken back: the sentences follow what the model wrote.
                yield Piece(completion.text[len(event.text) :])
            yield completion

    async def close(self) -> None:
        """Close the engine and forget the texts."""
        await self._engine.close()
        self._texts.close()

    async def _written(self, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        async with contextlib.aclosing(self._engine.generate(query, owner)) as events:
            async for event in events:
                yield event

    def _is_grounded(self, query: Query) -> bool:
        return bool(query.context.strip()) and not (self._grounding.only_asked and query.style is UNSET)

    def _quotes(self, query: Query) -> bool:
        if not self._is_grounded(query):
            return False
        style = self._grounding.style if query.style in (UNSET, "auto") else query.style
        if style == "auto":
            return self._grounding.auto_quotes and not needs_whole_document(query.query)
        return style == "quote"

    def _quoted(
        self, query: Query, prepared: Prepared, ranking: Ranking, evidence: list[Citation], began_s: float
    ) -> Completion:
        """The sentences that answer, in the order of their rank; no token is read or written."""
        features = features_of(prepared.index, query.query, ranking.ranked, ranking.cosines)
        likely, holds = support(features), self._holds(support(features), fitted=answerable(features))
        chosen = quote(prepared.text, prepared.sentences, ranking.ranked)
        cited = of_sentences(prepared.text, prepared.sentences, chosen)
        refuses = not cited or (self._grounding.abstain == "refuse" and not holds)
        text = NOT_IN_THE_DOCUMENT if refuses else _lines(cited)
        return Completion(
            text=text,
            finish_reason="stop",
            usage=Usage(prompt_tokens=0, completion_tokens=0),
            prefill_ms=round((time.monotonic() - began_s) * 1000, 1),
            decode_ms=0.0,
            model=QUOTED,
            grounds=Grounds(
                answer_from="quote",
                citations=[] if refuses else cited,
                evidence=evidence,
                answerable=None if self._grounding.abstain == "off" else bool(cited) and holds,
                support=round(likely, 4),
            ),
        )

    def _cited(
        self, completion: Completion, query: Query, prepared: Prepared, ranking: Ranking, evidence: list[Citation]
    ) -> Completion:
        """The model's answer, aligned with the text that it read. Ranked sentences are cited before others."""
        first = [one.index for one in ranking.ranked]
        others = [index for index in range(len(prepared.sentences)) if index not in set(first)]
        spans = cite(completion.text, prepared.text, [prepared.sentences[index] for index in (*first, *others)])
        features = features_of(prepared.index, query.query, ranking.ranked, ranking.cosines)._replace(
            overlap=covered_share(completion.text, prepared.text, [span[:2] for span in spans])
        )
        refused = is_refusal(completion.text)
        likely = 0.0 if refused else support(features)
        holds = not refused and self._holds(likely, fitted=answerable(features))
        cited = [] if refused else of_spans(prepared.text, spans)
        if not refused and not cited and holds and not needs_whole_document(query.query):
            cited = of_sentences(
                prepared.text, prepared.sentences, quote(prepared.text, prepared.sentences, ranking.ranked)
            )
            completion = msgspec.structs.replace(completion, text=f"{completion.text}\n\n{_lines(cited)}")
            origin: AnswerFrom = "both"
        else:
            origin = "model"
        grounds = Grounds(
            answer_from=origin,
            citations=cited,
            evidence=evidence,
            answerable=None if self._grounding.abstain == "off" else holds,
            support=round(likely, 4),
        )
        return msgspec.structs.replace(completion, grounds=grounds)

    def _holds(self, likely: float, *, fitted: bool) -> bool:
        bound = self._grounding.support_min
        return fitted if bound is None else likely >= bound


def _lines(cited: list[Citation]) -> str:
    """The quotes as one reads them, a line each: where the text's own lines end says nothing."""
    return "\n".join(" ".join(citation.quote.split()) for citation in cited)
