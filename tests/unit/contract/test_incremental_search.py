"""The sanitizer's second look, which searches only near what was replaced, finds what a look over all finds."""

import importlib
import random

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from bench.redaction.corpus import cases
from bench.redaction.texts import HOSTILE, dense, ordinary
from contract.errors import TooManySecretsError
from contract.redaction import control_text
from contract.redaction.custom_rules import OwnRule
from contract.redaction.detectors.pattern import Pattern, Search
from contract.redaction.detectors.text import REACH_BYTES, Span, Text
from contract.redaction.redactor import BUILT_IN, OPTIONAL, Redactor
from contract.sanitize import sanitize

ALL = Redactor(OPTIONAL, [OwnRule("name", "goblin .{0,900} lane"), OwnRule("tail", r"(?s)last words: (.*)", 1)])
FREED = "AKIA-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKC/+abc\n-----END PRIVATE KEY-----Z7QJ3MNBVC2XK5LP"
"""What comes to stand side by side when the middle goes."""
CONTEXT_COMES = f"Which tax id?{' ' * 60}123-45-6789 or 234 56 7890"
"""What is only a number becomes one of social security once a marker says so before it."""
CONTEXT_GOES = 'A dump ends: password="x7Kq2mvP 1a2b" or password=x7Kq2mvP-1a2b 9999 4111 1111 1111 1111'
"""What is of a dump becomes a card's number once the group before it is gone."""

pieces = st.one_of(
    st.sampled_from(HOSTILE),
    st.sampled_from([case.text for case in cases(seed=3, count=3)]),
    st.sampled_from(
        [
            FREED,
            CONTEXT_COMES,
            CONTEXT_GOES,
            "[REDACTED:",
            "]",
            "password",
            "goblin ",
            " lane",
            "last words: ",
            "kind: Secret\ndata:\n",
        ]
    ),
    st.sampled_from([1, 2, 200, 255, 256, 257, 600]).map(lambda size: "lorem " * (size // 6) + " " * (size % 6)),
    st.sampled_from(["\u00ad", "\u00ad", "AK\u00adIA", "<\uff5c", "\uff5c>", "[INST]", "\u200b"]),
    st.text(max_size=5),
)
texts = st.lists(pieces, max_size=30).map("".join)


def looked(text: Text, redactor: Redactor) -> list[Span] | str:
    """The look's spans, or the sentence of its refusal."""
    try:
        return redactor.find(text)
    except TooManySecretsError as error:
        return str(error)


def same_looks(source: bytes, redactor: Redactor) -> None:
    text = Text(source)
    for _ in range(6):
        spans = looked(text, redactor)
        assert spans == looked(Text(text.source), redactor)
        assert control_text.is_harmless(text) == control_text.is_harmless(Text(text.source))
        if not spans or isinstance(spans, str):
            return
        text = text.replaced(spans)


@given(texts, st.sampled_from([BUILT_IN, ALL]))
@example(FREED, BUILT_IN)
@example(CONTEXT_COMES, BUILT_IN)
@example(CONTEXT_GOES, BUILT_IN)
@settings(max_examples=300, deadline=None)
def test_it_finds_what_a_look_over_all_finds(text: str, redactor: Redactor) -> None:
    same_looks(text.encode("utf-8", "surrogatepass"), redactor)


@pytest.mark.parametrize("seed", range(8))
def test_it_does_so_in_long_texts_of_every_sort(seed: int) -> None:
    draw = random.Random(seed)
    parts = [case.text for case in cases(seed, 2)] + draw.choices(HOSTILE, k=60)
    parts += [text[:3000] for text in (ordinary(seed) | dense(seed)).values()]
    same_looks("\n".join(draw.sample(parts, len(parts))).encode(), ALL)


@settings(deadline=None)
@given(texts, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=6))
def test_a_search_goes_on_as_if_nothing_were_known(text: str, cuts: list[tuple[int, int]]) -> None:
    """Whatever is replaced, secret or not."""
    pattern = Pattern(r"(?:^|[^a-z])(?:lorem lorem [a-z]{1,90}|key=|\b4[0-9 ]{3,9}(?:$|[^0-9]))|\b[elr]")
    before = Text(text.encode("utf-8", "surrogatepass"))
    all_matches(before, pattern)
    after = before.replaced(apart(cuts, len(before.source)))
    assert all_matches(after, pattern) == all_matches(Text(after.source), pattern)


def all_matches(text: Text, pattern: Pattern) -> list[tuple[int, int]]:
    search, found, position = text.searcher(pattern), [], 0
    while match := search(position):
        found.append(match)
        position = match[0] + 1
    return found


def apart(cuts: list[tuple[int, int]], size: int) -> list[Span]:
    spans, end = [], 0
    for gap, length in cuts:
        if end + gap + length + 1 <= size:
            spans.append(Span(end + gap, end + gap + length + 1, "card"))
            end = spans[-1].end
    return spans


@pytest.mark.parametrize("redactor", [BUILT_IN, ALL])
def test_no_pattern_that_is_searched_for_reads_further_than_it_is_said(
    monkeypatch: pytest.MonkeyPatch, redactor: Redactor
) -> None:
    searched: set[Pattern] = set()
    plain = Text.searcher

    def noted(text: Text, pattern: Pattern) -> Search:
        searched.add(pattern)
        return plain(text, pattern)

    monkeypatch.setattr(Text, "searcher", noted)
    for case in cases(seed=1, count=5):
        sanitize(case.text, redactor)
    assert len(searched) >= 10
    parser = importlib.import_module("re._parser")
    for pattern in searched:
        # One more byte is looked at by \b and $; a lookahead or a search without an end there is none in RE2.
        assert parser.parse(pattern.pattern.encode()).getwidth()[1] + 1 <= REACH_BYTES, pattern.pattern


@settings(deadline=None)
@given(texts)
@example("<\uff5c" + "ghp_" + "Ab3d" * 20 + "\uff5c>")
@example("<\uff5c[INST]\uff5c>")
def test_what_was_sanitized_stays_as_it_is(text: str) -> None:
    try:
        once = sanitize(text).text
    except TooManySecretsError:
        return
    assert sanitize(once) == (once, {})
