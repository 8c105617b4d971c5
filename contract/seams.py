"""Secrets that stand across two fields: the first half at the end of one, the rest at the beginning of another.

Looked for before each field is sanitized by itself, which would leave one half or both. Pure.
"""

from itertools import pairwise, takewhile
from typing import Final, TypeVar

import msgspec

from contract.messages import Question
from contract.redaction.redactor import BUILT_IN, Redactor
from contract.sanitize import Sanitized, sanitize

Q = TypeVar("Q", bound=Question)

_REACH_CHARS: Final = 4096
"""Longer secrets are private keys, which are known by how they begin."""
_MARKER: Final = "[REDACTED:split]"


def mended(question: Q, redactor: Redactor = BUILT_IN) -> Q:
    """The question without what is a secret only where one of its fields follows another at once.

    All else is as it was: the fields are still to be sanitized.
    """
    texts = [question.context, question.query, *question.stop]
    before = list(texts)
    for first, second in (*pairwise(range(len(texts))), (1, 0)):
        texts[first], texts[second] = _parted(texts[first], texts[second], redactor)
    if texts == before:
        return question
    return msgspec.structs.replace(question, context=texts[0], query=texts[1], stop=texts[2:])


def _parted(first: str, second: str, redactor: Redactor) -> tuple[str, str]:
    head, tail = first[:-_REACH_CHARS], first[-_REACH_CHARS:]
    start, rest = second[:_REACH_CHARS], second[_REACH_CHARS:]
    if not tail or not start:
        return first, second
    left, right, whole = (sanitize(text, redactor) for text in (tail, start, tail + start))
    # Fewer together: what is a secret by itself is none when a word follows at once. It goes with its own field.
    if whole.text == left.text + right.text or _found(whole) < _found(left) + _found(right):
        return first, second
    # What both agree on from the outside in stays; between that lies the secret.
    kept = _alike(left.text, whole.text)
    same = min(_alike(right.text[::-1], whole.text[::-1]), len(whole.text) - kept)
    return head + left.text[:kept] + _MARKER, _MARKER + right.text[len(right.text) - same :] + rest


def _alike(one: str, other: str) -> int:
    """With how many characters both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _found(sanitized: Sanitized) -> int:
    return sum(sanitized.counts.values())
