"""What a model reads of a document instead of the whole: the evidence with its neighbours, in the document's order."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from contract.evidence import needs_whole_document
from contract.messages import Query
from inference_worker.answering.found import Found
from inference_worker.answering.texts import Texts

NEIGHBOURS: Final = 1
"""Sentences before and after each one: they say what a pronoun refers to."""
_GAP: Final = "\n\n"

Narrow = Callable[[Query], Awaitable[Query]]


def excerpt(found: Found) -> str:
    """The ranked sentences, those beside them and the headings above them: whole sentences, each once."""
    chosen: set[tuple[int, int]] = set()
    for one in found.ranked:
        block = found.sentences[one.index].block
        first, last = max(0, one.index - NEIGHBOURS), min(len(found.sentences) - 1, one.index + NEIGHBOURS)
        for near in found.sentences[first : last + 1]:
            if near.block == block:
                chosen |= {(near.start, near.end), *near.above}
    return _joined(found.text, sorted(chosen))


def _joined(text: str, spans: list[tuple[int, int]]) -> str:
    """What lies between two neighbours is kept; where something is left out there is an empty line."""
    parts: list[str] = []
    end = -1
    for start, until in spans:
        if start < end:
            continue
        between = text[end:start] if end >= 0 else ""
        parts += [between if not between.strip() else _GAP, text[start:until]]
        end = until
    return "".join(parts)


def narrowing(texts: Texts) -> Narrow:
    """What replaces a question's document by its excerpt, unless the question needs it whole."""

    async def narrow(query: Query) -> Query:
        if not query.context.strip() or needs_whole_document(query.query):
            return query
        before = next((turn.content for turn in reversed(query.turns) if turn.role == "user"), "")
        found = await texts.find(f"{before}\n{query.query}" if before else query.query, query.context)
        read = excerpt(found)
        return msgspec.structs.replace(query, context=read) if read and len(read) < len(query.context) else query

    return narrow
