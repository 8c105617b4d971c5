"""How much of what is secret the sanitizer finds, and how much of what it finds is secret: by kind."""

from collections import Counter

import pytest

from bench.redaction.corpus import HARMLESS, NAMED, TOKENS, Case, cases
from contract.sanitize import sanitize

CORPUS = cases(seed=7, count=60)
KINDS = sorted({*TOKENS, *(kind for kind, _, _ in NAMED)})


def judged(case: Case) -> tuple[bool, Counter[str]]:
    """Whether exactly the secret became a marker of its kind, and what was found that is not it."""
    text, counts = sanitize(case.text)
    expected = case.text if case.secret is None else case.text.replace(case.secret, f"[REDACTED:{case.kind}]")
    is_right = text == expected
    return is_right, Counter() if is_right else Counter(counts)


VERDICTS = [(case, *judged(case)) for case in CORPUS]
WRONG = sum((found for _, _, found in VERDICTS), Counter[str]())


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_kind_at_least_95_of_100_are_found_exactly_and_97_of_100_found_are_that_kind(kind: str) -> None:
    verdicts = [is_right for case, is_right, _ in VERDICTS if case.kind == kind]
    missed = [case.text for case, is_right, _ in VERDICTS if case.kind == kind and not is_right]
    assert sum(verdicts) >= 0.95 * len(verdicts), missed
    assert sum(verdicts) >= 0.97 * (sum(verdicts) + WRONG[kind]), WRONG


@pytest.mark.parametrize("sort", sorted(HARMLESS))
def test_what_is_harmless_stays(sort: str) -> None:
    assert [case.text for case, is_right, _ in VERDICTS if case.kind == sort and not is_right] == []
