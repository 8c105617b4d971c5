"""Finds all secrets of a text: every kind's, the deployment's own rules', and which of two that overlap counts."""

import bisect
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from contract.errors import TooManySecretsError
from contract.redaction.custom_rules import OwnRule
from contract.redaction.detectors import (
    assignments,
    contact,
    headers,
    jwt,
    kubernetes,
    numbers,
    private_key,
    url_passwords,
)
from contract.redaction.detectors.soft_hyphens import Joined, joined
from contract.redaction.detectors.text import Span, Text
from contract.redaction.detectors.tokens import TokenFinder

MAX_SECRETS: Final = 1000
"""A text with more is a dump of secrets, not a document to ask about: it is refused."""

Find = Callable[[Text], Iterable[Span]]

OPTIONAL: Final[dict[str, Find]] = {"email": contact.find_emails, "phone": contact.find_phones}
"""Kinds that are looked for only where a deployment asks for them."""

_MARKER = re.compile(rb"\[REDACTED:[a-z0-9-]{1,40}\]")


class Redactor:
    """What is looked for, compiled once; pure: it keeps nothing of what it sees."""

    def __init__(self, optional: Collection[str] = (), own_rules: Sequence[OwnRule] = ()) -> None:
        # In the order of what counts where two overlap: the narrower kind before the wider one.
        self._finds: tuple[Find, ...] = (
            *(rule.find for rule in own_rules),
            private_key.find,
            jwt.find,
            TokenFinder().find,
            url_passwords.find,
            headers.find,
            kubernetes.find,
            numbers.find,
            assignments.find,
        )
        self._optional = tuple(OPTIONAL[kind] for kind in sorted(optional))

    def find(self, text: Text) -> list[Span]:
        """Where all secrets stand, from left to right, none touching another; raises TooManySecretsError."""
        markers = [match.span() for match in _MARKER.finditer(text.source)] if b"[REDACTED:" in text.source else []
        view = joined(text.source)
        spans = _merged(_outside(markers, _in_both(self._finds, text, view)))
        if not self._optional:
            return spans
        others = _merged(_outside(markers, _in_both(self._optional, text, view)))
        # An address in a password is part of it: what is only asked for gives way.
        return sorted(spans + _outside([(span.start, span.end) for span in spans], others))


def _in_both(finds: Sequence[Find], text: Text, view: Joined | None) -> list[Span]:
    """What stands in a text, and what it has without its soft hyphens."""
    spans = _counted(finds, text)
    return spans if view is None else [*map(view.back, _counted(finds, view.text)), *spans]


def _counted(finds: Iterable[Find], text: Text) -> list[Span]:
    """What all of these find, each kind's from left to right; raises TooManySecretsError."""
    spans: list[Span] = []
    for find in finds:
        for span in find(text):
            spans.append(span)
            if len(spans) > MAX_SECRETS:
                raise TooManySecretsError
    return spans


def _outside(taken: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[Span]:
    """The spans that touch nothing of what is taken (from left to right, apart from each other)."""
    starts = [start for start, _ in taken]

    def is_free(span: Span) -> bool:
        before = bisect.bisect_left(starts, span.end) - 1
        return before < 0 or taken[before][1] <= span.start

    return [span for span in spans if is_free(span)] if taken else list(spans)


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Overlapping spans as one, of the kind that was found first."""
    merged: list[tuple[Span, int]] = []
    for rank, span in sorted(enumerate(spans), key=lambda ranked: ranked[1].start):
        if merged and span.start < merged[-1][0].end:
            last, best = merged[-1]
            kind = last.kind if best < rank else span.kind
            merged[-1] = (Span(last.start, max(last.end, span.end), kind), min(best, rank))
        else:
            merged.append((span, rank))
    return [span for span, _ in merged]


BUILT_IN: Final = Redactor()
"""All kinds that are looked for without being asked for."""
