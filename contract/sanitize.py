"""Replaces secrets and personal data in a text by typed markers, and makes control text harmless.

Pure; used at the ingress before a text reaches the bus and again at the worker, since a direct publisher's text has
not passed the ingress. `contract.redaction` finds the secrets; none is kept or logged. Idempotent by construction: it
repeats the search until nothing is found.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import pairwise, takewhile
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET

from contract.errors import BadMessageError, TooManySecretsError
from contract.messages import MAX_STOP_CHARS, NamedSchema, Question, ResponseFormat, Turn
from contract.redaction.control_text import CONTROL_CHARACTER, CONTROL_TOKEN, is_harmless, make_harmless
from contract.redaction.detectors.text import Text
from contract.redaction.redactor import BUILT_IN, Redactor

Q = TypeVar("Q", bound=Question)

_APART_CHARS: Final = 65_536
"""From this length on, a text is sanitized on a thread, so that the event loop keeps serving."""

_APART_TURNS: Final = 20
"""The same for turns: each edge between two of them takes three passes more."""

_MAX_PASSES = 8
"""Replacing one secret can expose another; one extra pass almost always suffices."""


_REACH_CHARS: Final = 4096
"""Longer secrets are private keys, which are recognised by their first line."""
_MARKER: Final = "[REDACTED:split]"


class Sanitized(NamedTuple):
    """A text without its secrets, and the number of replacements by kind."""

    text: str
    counts: Mapping[str, int]


def sanitize(text: str, redactor: Redactor = BUILT_IN) -> Sanitized:
    """Replace every secret's value in `text` by `[REDACTED:<kind>]`; everything else is unchanged.

    Control characters and a chat template's control tokens are made harmless. Raises TooManySecretsError.
    """
    counts: Counter[str] = Counter()
    looked = _encoded(text)
    for _ in range(_MAX_PASSES):
        if not is_harmless(looked):
            looked = _harmless(looked, counts)
        spans = redactor.find(looked)
        if not spans:
            return Sanitized(_decoded(looked) if counts else text, counts)
        counts.update(span.kind for span in spans)
        looked = looked.replaced(spans)
    raise TooManySecretsError


def sanitize_question(question: Q, redactor: Redactor = BUILT_IN) -> tuple[Q, Mapping[str, int]]:
    """The question with all its texts sanitized, and the counts of replacements by kind.

    A secret split over two fields or turns that are adjacent in the prompt is found too.
    Raises TooManySecretsError, and BadMessageError when nothing of the query is left.
    """
    # Each text is looked at by itself and beside its neighbours: half of the looks are at the same one again.
    sanitized = cache(partial(sanitize, redactor=redactor))
    question = _without_split_secrets(question, sanitized)
    texts = [sanitized(text) for text in _texts_of(question)]
    counts: Counter[str] = Counter()
    for part in texts:
        counts.update(part.counts)
    question = _with_clean_schema(question, redactor, counts)
    if not counts:
        return question, counts
    clean = [part.text for part in texts]
    if not clean[len(question.turns) + 1].strip():
        raise BadMessageError("Field `query` is blank but for control characters: ask a question.")
    return _with_texts(question, clean), counts


async def sanitize_apart(question: Q, redactor: Redactor = BUILT_IN) -> tuple[Q, Mapping[str, int]]:
    """`sanitize_question`, on a thread where the question is long; raises what that raises."""
    if sum(map(len, _texts_of(question))) < _APART_CHARS and len(question.turns) < _APART_TURNS:
        return sanitize_question(question, redactor)
    return await asyncio.to_thread(sanitize_question, question, redactor)


def _texts_of(question: Question) -> list[str]:
    """All texts, in the order of the prompt: turns, context, query, then the stops."""
    return [*(turn.content for turn in question.turns), question.context, question.query, *question.stop]


def _with_texts(question: Q, texts: list[str]) -> Q:
    """The question with other texts, in the order of `_texts_of`; an empty stop is left out."""
    count = len(question.turns)
    said, (context, query), stops = texts[:count], texts[count : count + 2], texts[count + 2 :]
    turns = [Turn(turn.role, text) for turn, text in zip(question.turns, said, strict=True)]
    return msgspec.structs.replace(
        question,
        messages=turns or UNSET,
        context=context,
        query=query,
        stop=[stop[:MAX_STOP_CHARS] for stop in stops if stop],
    )


def _with_clean_schema(question: Q, redactor: Redactor, counts: Counter[str]) -> Q:
    """The question with a schema that holds names and constants only, each without secrets."""
    form = question.response_format
    if form is UNSET or form.json_schema is UNSET:
        return question
    schema = _clean(form.schema, redactor, counts)
    name = sanitize(form.json_schema.name, redactor).text[:64]
    clean = ResponseFormat(form.type, NamedSchema(schema, name))
    return question if clean == form else msgspec.structs.replace(question, response_format=clean)


def _clean(value: Any, redactor: Redactor, counts: Counter[str]) -> Any:
    match value:
        case dict():
            return {_clean(name, redactor, counts): _clean(part, redactor, counts) for name, part in value.items()}
        case list():
            return [_clean(part, redactor, counts) for part in value]
        case str():
            found = sanitize(value, redactor)
            counts.update(found.counts)
            return found.text
        case _:
            return value


def _encoded(text: str) -> Text:
    return Text(text.encode("utf-8", "surrogatepass"))


def _decoded(text: Text) -> str:
    return text.source.decode("utf-8", "surrogatepass")


def _harmless(text: Text, counts: Counter[str]) -> Text:
    """The text without control text; changes are counted. Needed in each pass: a marker can form a new token."""
    harmless, controls, tokens = make_harmless(_decoded(text))
    if not controls and not tokens:
        return text
    counts.update({kind: count for kind, count in ((CONTROL_CHARACTER, controls), (CONTROL_TOKEN, tokens)) if count})
    return _encoded(harmless)


def without_split_secrets(question: Q, redactor: Redactor = BUILT_IN) -> Q:
    """The question without secrets that exist only where two of its fields, or turns, are joined.

    Nothing else is changed: the fields are still to be sanitized.
    """
    return _without_split_secrets(question, cache(partial(sanitize, redactor=redactor)))


def _without_split_secrets(question: Q, sanitized: Callable[[str], Sanitized]) -> Q:
    texts = _texts_of(question)
    before = list(texts)
    context, query = len(question.turns), len(question.turns) + 1
    spoken = [number for number, text in enumerate(texts) if text]
    # What one user says in two messages may be one secret, whatever was answered in between.
    users = [number for number, turn in enumerate(question.turns) if turn.role == "user"]
    for first, second in (*pairwise([*users, query]), *pairwise(spoken), (query, context)):
        texts[first], texts[second] = _without_split_secret(texts[first], texts[second], sanitized)
    return question if texts == before else _with_texts(question, texts)


def _without_split_secret(first: str, second: str, sanitized: Callable[[str], Sanitized]) -> tuple[str, str]:
    head, tail = first[:-_REACH_CHARS], first[-_REACH_CHARS:]
    start, rest = second[:_REACH_CHARS], second[_REACH_CHARS:]
    if not tail or not start:
        return first, second
    left, right, whole = map(sanitized, (tail, start, tail + start))
    # Fewer when joined: a secret may stop being one when a word follows directly. Its own field's pass redacts it.
    if whole.text == left.text + right.text or _found(whole) < _found(left) + _found(right):
        return first, second
    # Keep the common beginning and end; the split secret is between them.
    kept = _common_length(left.text, whole.text)
    same = min(_common_length(right.text[::-1], whole.text[::-1]), len(whole.text) - kept)
    return head + left.text[:kept] + _MARKER, _MARKER + right.text[len(right.text) - same :] + rest


def _common_length(one: str, other: str) -> int:
    """The length of their common beginning, in characters."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _found(sanitized: Sanitized) -> int:
    return sum(sanitized.counts.values())
