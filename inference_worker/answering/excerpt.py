"""What a model reads of a document instead of the whole: the evidence with its neighbours, in the document's order."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from contract.evidence import needs_whole_document
from contract.evidence.sentences import Sentence
from contract.messages import Query
from inference_worker.answering.found import Found
from inference_worker.answering.texts import Texts

NEIGHBOURS: Final = 1
"""Sentences before and after each one: they say what a pronoun refers to."""
_GAP: Final = "\n\n"
_MOST_CHARS_PER_TOKEN: Final = 16
"""A text of more characters than this for each token has too many tokens; it need not be counted."""

Narrow = Callable[[Query], Awaitable[Query]]
Count = Callable[[str], Awaitable[int]]
"""How many tokens a text has, by the model's own tokenizer."""
Place = tuple[int, int]


class Excerpt(msgspec.Struct, frozen=True):
    """What is read of a text: whole sentences, each once."""

    text: str
    sentences: Sequence[int]
    """The numbers of those that were read, the best ranked first."""


def excerpt(found: Found) -> str:
    """The ranked sentences, those beside them and the headings above them: whole sentences, each once."""
    places = {place for one in found.ranked for place in _places(found, _beside(found, one.index))}
    return _joined(found.text, sorted(places))


async def fitting(found: Found, tokens: int, count: Count) -> Excerpt:
    """The whole text if it has at most so many tokens, else as much of the evidence as has; sentences are never cut.

    The best sentence is always read. The others follow in their order, each with its neighbours where these fit too.
    """
    if len(found.text) <= tokens * _MOST_CHARS_PER_TOKEN and await count(found.text) <= tokens:
        return whole(found)
    read: list[int] = []
    text = ""
    for one in found.ranked:
        for numbers in (_beside(found, one.index), [one.index]):
            longer = list(dict.fromkeys([*read, one.index, *numbers]))
            tried = _joined(found.text, sorted({place for place in _places(found, longer)}))
            is_last_resort = not read and numbers == [one.index]
            if is_last_resort or await count(tried) <= tokens:
                read, text = longer, tried
                break
    return Excerpt(text, read) if text else whole(found)


def whole(found: Found) -> Excerpt:
    """All of the text."""
    first = [one.index for one in found.ranked]
    return Excerpt(found.text, [*first, *sorted(set(range(len(found.sentences))).difference(first))])


def _beside(found: Found, number: int) -> list[int]:
    """The sentence and its neighbours in the same block."""
    block = found.sentences[number].block
    near = range(max(0, number - NEIGHBOURS), min(len(found.sentences), number + NEIGHBOURS + 1))
    return [other for other in near if found.sentences[other].block == block]


def _places(found: Found, numbers: Sequence[int]) -> list[Place]:
    """The spans of these sentences, and of the headings and table heads above them."""
    sentences: list[Sentence] = [found.sentences[number] for number in numbers]
    return [place for one in sentences for place in ((one.start, one.end), *one.above)]


def _joined(text: str, places: Sequence[Place]) -> str:
    """What lies between two neighbours is kept; where something is left out there is an empty line."""
    parts: list[str] = []
    end = -1
    for start, until in places:
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
