"""Replaces secrets and personal data in a text by typed markers, and makes control text harmless.

Pure; used at the ingress before a text reaches the bus and again at the worker, since a direct publisher's text has
not passed the ingress. `contract.redaction` finds the secrets; none is kept or logged. Idempotent by construction: it
repeats the search until nothing is found.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise, takewhile
from typing import Final, NamedTuple, TypeVar

import msgspec

from contract.errors import BadMessageError, TooManySecretsError
from contract.messages import MAX_STOP_CHARS, Question
from contract.redaction.control_text import CONTROL_CHARACTER, CONTROL_TOKEN, is_harmless, make_harmless
from contract.redaction.detectors.text import Text
from contract.redaction.redactor import BUILT_IN, Redactor

Q = TypeVar("Q", bound=Question)

_APART_CHARS: Final = 65_536
"""From this length on, a text is sanitized on a thread, so that the event loop keeps serving."""

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

    A secret split over two fields that are adjacent in the prompt is found too.
    Raises TooManySecretsError, and BadMessageError when nothing of the query is left.
    """
    question = without_split_secrets(question, redactor)
    query, context = sanitize(question.query, redactor), sanitize(question.context, redactor)
    stops = [sanitize(stop, redactor) for stop in question.stop]
    counts: Counter[str] = Counter()
    for part in (query, context, *stops):
        counts.update(part.counts)
    if not counts:
        return question, counts
    if not query.text.strip():
        raise BadMessageError("Field `query` is blank but for control characters: ask a question.")
    stop = [stop.text[:MAX_STOP_CHARS] for stop in stops if stop.text]
    return msgspec.structs.replace(question, query=query.text, context=context.text, stop=stop), counts


async def sanitize_apart(question: Q, redactor: Redactor = BUILT_IN) -> tuple[Q, Mapping[str, int]]:
    """`sanitize_question`, on a thread where the question is long; raises what that raises."""
    if len(question.query) + len(question.context) < _APART_CHARS:
        return sanitize_question(question, redactor)
    return await asyncio.to_thread(sanitize_question, question, redactor)


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
    """The question without secrets that exist only where two of its fields are joined.

    Nothing else is changed: the fields are still to be sanitized.
    """
    texts = [question.context, question.query, *question.stop]
    before = list(texts)
    for first, second in (*pairwise(range(len(texts))), (1, 0)):
        texts[first], texts[second] = _without_split_secret(texts[first], texts[second], redactor)
    if texts == before:
        return question
    return msgspec.structs.replace(question, context=texts[0], query=texts[1], stop=texts[2:])


def _without_split_secret(first: str, second: str, redactor: Redactor) -> tuple[str, str]:
    head, tail = first[:-_REACH_CHARS], first[-_REACH_CHARS:]
    start, rest = second[:_REACH_CHARS], second[_REACH_CHARS:]
    if not tail or not start:
        return first, second
    left, right, whole = (sanitize(text, redactor) for text in (tail, start, tail + start))
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
