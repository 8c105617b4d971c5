"""Finds all secrets of a text with every detector and the deployment's own rules, and resolves overlaps."""

import bisect
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from contract.errors import TooManySecretsError
from contract.redaction.custom_rules import OwnRule
from contract.redaction.detectors import assignments, contact, headers, kubernetes, logins, numbers, url_passwords
from contract.redaction.detectors.soft_hyphens import Joined, joined
from contract.redaction.detectors.text import Span, Text
from contract.redaction.tokens import jwk, jwt, private_key, putty_key
from contract.redaction.tokens.broken_lines import BrokenTokenFinder
from contract.redaction.tokens.token_finder import TokenFinder

MAX_SECRETS: Final = 1000
"""A text with more is a dump of secrets, not a document: it is refused."""

Find = Callable[[Text], Iterable[Span]]

OPTIONAL: Final[dict[str, Find]] = {"email": contact.find_emails, "phone": contact.find_phones}
"""Kinds that are redacted only where a deployment asks for them."""
KEEPABLE: Final = frozenset({"card", "iban", "ssn"})
"""Kinds that a deployment may leave in texts that stay on its machine; credentials always go."""
KEPT: Final = frozenset({"iban"})
"""Left there unless asked for: who asks for the account of an invoice wants it."""

_MARKER = re.compile(rb"\[REDACTED:[a-z0-9-]{1,40}\]")


class Redactor:
    """All detectors, compiled once. Pure: it keeps nothing of the texts that it sees."""

    def __init__(
        self, optional: Collection[str] = (), own_rules: Sequence[OwnRule] = (), kept: Collection[str] = ()
    ) -> None:
        """`kept`: kinds that are found, so that they hide what only looks like another one, and left in the text."""
        self._kept = frozenset(kept)
        tokens = TokenFinder()
        # Where two overlap, the earlier one counts: narrow kinds come before wide ones.
        self._finds: tuple[Find, ...] = (
            *(rule.find for rule in own_rules),
            private_key.find,
            putty_key.find,
            jwk.find,
            BrokenTokenFinder(tokens).find,
            jwt.find,
            tokens.find,
            url_passwords.find,
            logins.find,
            headers.find,
            kubernetes.find,
            numbers.find,
            assignments.find,
        )
        self._optional = tuple(OPTIONAL[kind] for kind in sorted(optional))

    def find(self, text: Text) -> list[Span]:
        """All secrets' spans, from left to right and disjoint; raises TooManySecretsError."""
        markers = [match.span() for match in _MARKER.finditer(text.source)] if b"[REDACTED:" in text.source else []
        view = joined(text.source)
        spans = self._wanted(_merged(_outside(markers, _in_both(self._finds, text, view))))
        if not self._optional:
            return spans
        others = _merged(_outside(markers, _in_both(self._optional, text, view)))
        # Optional kinds yield where they overlap a built-in one, as an e-mail address inside a password does.
        return sorted(spans + _outside([(span.start, span.end) for span in spans], others))

    def _wanted(self, spans: list[Span]) -> list[Span]:
        return [span for span in spans if span.kind not in self._kept] if self._kept else spans


def _in_both(finds: Sequence[Find], text: Text, view: Joined | None) -> list[Span]:
    """The spans found in a text, and those found once its soft hyphens are removed."""
    spans = _counted(finds, text)
    return spans if view is None else [*map(view.back, _counted(finds, view.text)), *spans]


def _counted(finds: Iterable[Find], text: Text) -> list[Span]:
    """The spans that all detectors find; raises TooManySecretsError."""
    spans: list[Span] = []
    for find in finds:
        for span in find(text):
            spans.append(span)
            if len(spans) > MAX_SECRETS:
                raise TooManySecretsError
    return spans


def _outside(taken: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[Span]:
    """The spans that overlap none of `taken`, which is sorted and disjoint."""
    starts = [start for start, _ in taken]

    def is_free(span: Span) -> bool:
        before = bisect.bisect_left(starts, span.end) - 1
        return before < 0 or taken[before][1] <= span.start

    return [span for span in spans if is_free(span)] if taken else list(spans)


def _merged(spans: Sequence[Span]) -> list[Span]:
    """The spans, with overlapping ones merged into one of the kind that was found first."""
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
"""The redactor with all kinds that need no setting."""
LOCAL: Final = Redactor(kept=KEPT)
"""The redactor of texts that stay on this machine, where nothing is set."""
