"""Takes secrets and card numbers out of a text and leaves a typed marker in their place.

One pure function, used at the ingress before a text reaches the bus and again at the worker, since
a direct publisher's text has not passed the ingress. It is idempotent: no marker matches a rule, and
no match ends where what follows could begin one that the marker sets free.
Patterns are RE2's, and each rule searches alone: linear in the text, whatever the text is. (In one
alternation a rule that waits for its end makes the search for every other rule's match as long.)
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import msgspec
import re2

from contract.messages import Question

Q = TypeVar("Q", bound=Question)

_PEM_NAME = r"[A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}"


class Sanitized(NamedTuple):
    """A text without its secrets, and how many of each kind were taken out."""

    text: str
    counts: Mapping[str, int]


class _Rule(NamedTuple):
    """What a secret of one kind looks like. A group named `value` marks the part to replace."""

    kind: str
    pattern: str
    is_secret: Callable[[bytes], bool] = lambda _: True


def _is_card(candidate: bytes) -> bool:
    digits = candidate.translate(None, b" -")
    return 13 <= len(digits) <= 19 and _passes_luhn(digits)


_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))


def _passes_luhn(digits: bytes) -> bool:
    """ISO/IEC 7812-1, annex B: double every second digit from the right, sum all, divisible by ten."""
    return (sum(digits[::-2].translate(_VALUES)) + sum(digits[-2::-2].translate(_DOUBLED))) % 10 == 0


_RULES = (
    # The end may be cut off. A body has no run of dashes, so no text makes this scan twice.
    _Rule(
        "private-key",
        rf"-----BEGIN {_PEM_NAME}-----(?:[A-Za-z0-9+/=:,.\s\\]|-[A-Za-z0-9])*(?:-----END {_PEM_NAME}-----)?",
    ),
    _Rule("docqa-token", r"\bdq_[A-Za-z0-9_-]{43,}"),
    _Rule("aws-key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    _Rule("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{50,255})\b"),
    _Rule("gitlab-token", r"\bgl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{20,}"),
    _Rule("slack-token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _Rule("stripe-key", r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,247}\b"),
    _Rule("anthropic-key", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    _Rule("openai-key", r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]*[A-Za-z0-9]{20}[A-Za-z0-9_-]*"),
    _Rule("google-key", r"\bAIza[A-Za-z0-9_-]{35,}"),
    _Rule("huggingface-token", r"\bhf_[A-Za-z0-9]{30,64}\b"),
    _Rule("npm-token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    _Rule("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    _Rule("bearer-token", r"(?i:\bbearer[ \t]+)(?P<value>[A-Za-z0-9._~+/-]{16,}=*)"),
    _Rule(
        "card",
        r"\b[2-6](?:[0-9]{12,18}|[0-9]{3}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{1,7}|[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5})\b",
        _is_card,
    ),
)

_OPTIONS = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.UTF8
_ANY_RULE = re2.compile(
    "|".join(f"(?:{rule.pattern.replace('?P<value>', '?:')})" for rule in _RULES).encode(), _OPTIONS
)
_COMPILED = [(rule, re2.compile(rule.pattern.encode(), _OPTIONS)) for rule in _RULES]


def sanitize(text: str) -> Sanitized:
    """Replace every secret's value in `text` by `[REDACTED:<kind>]`; all else stays as it is."""
    source = text.encode("utf-8", "surrogatepass")
    counts: Counter[str] = Counter()
    parts: list[bytes] = []
    end = 0
    for start, stop, kind in _find_all(source):
        if start >= end:
            parts += (source[end:start], f"[REDACTED:{kind}]".encode())
            counts[kind] += 1
        # One that begins inside another is part of it: both go.
        end = max(end, stop)
    if not counts:
        return Sanitized(text, counts)
    return Sanitized(b"".join((*parts, source[end:])).decode("utf-8", "surrogatepass"), counts)


def sanitize_question(question: Q) -> tuple[Q, Mapping[str, int]]:
    """The question with every text that a client wrote sanitized, and the counts of all of them together."""
    query, context = sanitize(question.query), sanitize(question.context)
    stops = [sanitize(stop) for stop in question.stop]
    counts: Counter[str] = Counter()
    for part in (query, context, *stops):
        counts.update(part.counts)
    if not counts:
        return question, counts
    clean = msgspec.structs.replace(
        question, query=query.text, context=context.text, stop=[stop.text for stop in stops]
    )
    return clean, counts


def _find_all(source: bytes) -> list[tuple[int, int, str]]:
    """Where all secrets stand, from left to right; one may begin inside another."""
    # Most texts hold none: then one search is all.
    if not _ANY_RULE.search(source):
        return []
    found = ((*span, rule.kind) for rule, pattern in _COMPILED for span in _find(rule, pattern, source))
    return sorted(found, key=lambda secret: secret[0])


def _find(rule: _Rule, pattern: "re2._Regexp", source: bytes) -> Iterator[tuple[int, int]]:
    group = pattern.groups  # 1 when the rule marks its value, else 0: the whole match
    position = 0
    while match := pattern.search(source, position):
        if rule.is_secret(match.group()):
            yield match.span(group)
            position = match.end()
        else:
            # A year before a card's number looks like its beginning.
            position = match.start() + 1
