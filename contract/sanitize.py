"""Takes secrets and personal data out of a text and leaves a typed marker in their place.

One pure function, used at the ingress before a text reaches the bus and again at the worker, since a direct
publisher's text has not passed the ingress. What is found is found by `contract.redaction`; nothing of it is kept or
logged. It is idempotent by construction: it looks again until nothing is found.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from contract.errors import BadMessageError, TooManySecretsError
from contract.messages import MAX_STOP_CHARS, Question
from contract.redaction.harmless import CONTROL_CHARACTER, CONTROL_TOKEN, make_harmless
from contract.redaction.redactor import BUILT_IN, Redactor
from contract.redaction.span import Span

Q = TypeVar("Q", bound=Question)

_APART_CHARS: Final = 65_536
"""From this length a text is looked through on a thread: others are served meanwhile."""

_MAX_LOOKS = 8
"""A marker may set free what its secret hid, hardly ever more than once."""


class Sanitized(NamedTuple):
    """A text without its secrets, and how many of each kind were taken out or made harmless."""

    text: str
    counts: Mapping[str, int]


def sanitize(text: str, redactor: Redactor = BUILT_IN) -> Sanitized:
    """Replace every secret's value in `text` by `[REDACTED:<kind>]`; all else stays as it is.

    Control characters and a chat template's control tokens are made harmless. Raises TooManySecretsError.
    """
    source = text.encode("utf-8", "surrogatepass")
    text, controls, tokens = make_harmless(text, source)
    counts = Counter({kind: count for kind, count in ((CONTROL_CHARACTER, controls), (CONTROL_TOKEN, tokens)) if count})
    if counts:
        source = text.encode("utf-8", "surrogatepass")
    for _ in range(_MAX_LOOKS):
        spans = redactor.find(source)
        if not spans:
            return Sanitized(text, counts)
        counts.update(span.kind for span in spans)
        source = _replace(source, spans)
        text = source.decode("utf-8", "surrogatepass")
    raise TooManySecretsError


def sanitize_question(question: Q, redactor: Redactor = BUILT_IN) -> tuple[Q, Mapping[str, int]]:
    """The question with every text that a client wrote sanitized, and the counts of all of them together.

    Raises TooManySecretsError, and BadMessageError when nothing of the query is left.
    """
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


def _replace(source: bytes, spans: list[Span]) -> bytes:
    parts: list[bytes] = []
    end = 0
    for span in spans:
        parts += (source[end : span.start], f"[REDACTED:{span.kind}]".encode())
        end = span.end
    return b"".join((*parts, source[end:]))
