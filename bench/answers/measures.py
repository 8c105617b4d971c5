"""Measures of answers: contained, F1, areas under curves, and intervals of shares."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")
_SPACE: Final = re.compile(r"\s+")
_UNSPACED: Final = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f])")
_Z: Final = 1.96


class Share(NamedTuple):
    """A share with its 95% interval (Wilson's), and of how many."""

    share: float
    low: float
    high: float
    of: int


def share_of(marks: Iterable[bool]) -> Share:
    """The share of true marks; of none it is 0 with the widest interval."""
    seen = list(marks)
    count, right = len(seen), sum(seen)
    if not count:
        return Share(0.0, 0.0, 1.0, 0)
    rate, spread = right / count, _Z * _Z / count
    middle = (rate + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(rate * (1 - rate) / count + spread / (4 * count)) / (1 + spread)
    return Share(round(rate, 4), round(middle - half, 4), round(middle + half, 4), count)


def normalized(text: str) -> str:
    """As SQuAD's own script compares: no case, punctuation, articles; here in all scripts."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(one if unicodedata.category(one)[0] in "LNM" else " " for one in folded)
    return _SPACE.sub(" ", _ARTICLES.sub(" ", letters)).strip()


def contains(answer: str, references: Iterable[str]) -> bool:
    """Whether any of the references stands in the answer, word for word."""
    held = f" {_spaced(answer)} "
    return any(f" {wanted} " in held for wanted in map(_spaced, references) if wanted)


def f1(answer: str, references: Iterable[str]) -> float:
    """The best token F1 against any reference (SQuAD's)."""
    return max((_f1(_spaced(answer).split(), _spaced(reference).split()) for reference in references), default=0.0)


def _spaced(text: str) -> str:
    return _SPACE.sub(" ", _UNSPACED.sub(r" \1 ", normalized(text))).strip()


def _f1(given: Sequence[str], wanted: Sequence[str]) -> float:
    same = sum((Counter(given) & Counter(wanted)).values())
    return 2 * same / (len(given) + len(wanted)) if same else 0.0


def roc_area(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The chance that a positive has a larger value than a negative; ties count half (Mann and Whitney)."""
    ordered = sorted([(value, True) for value in positive] + [(value, False) for value in negative])
    rank_sum, at = 0.0, 0
    while at < len(ordered):
        end = at
        while end < len(ordered) and ordered[end][0] == ordered[at][0]:
            end += 1
        rank_sum += (at + end + 1) / 2 * sum(is_positive for _, is_positive in ordered[at:end])
        at = end
    wins = rank_sum - len(positive) * (len(positive) + 1) / 2
    return round(wins / (len(positive) * len(negative)), 4) if positive and negative else 0.5


def risk_coverage_area(supports: Sequence[float], right: Sequence[bool]) -> float:
    """The mean share of wrong answers as more and more are given, the best supported first: 0 is perfect."""
    ordered = [is_right for _, is_right in sorted(zip(supports, right, strict=True), key=lambda pair: -pair[0])]
    wrong, risks = 0, 0.0
    for given, is_right in enumerate(ordered, 1):
        wrong += not is_right
        risks += wrong / given
    return round(risks / len(ordered), 4) if ordered else 0.0


def marked_at(positive: Sequence[float], negative: Sequence[float], wrongly: float) -> float:
    """The share of negatives below the bound that `wrongly` of the positives fall below."""
    if not positive or not negative:
        return 0.0
    bound = sorted(positive)[int(wrongly * len(positive))]
    return round(sum(value < bound for value in negative) / len(negative), 4)


def risk_coverage(supports: Sequence[float], right: Sequence[bool], points: int = 20) -> list[list[float]]:
    """`[coverage, share of wrong ones]` as ever less supported answers are given; at most so many points."""
    ordered = [is_right for _, is_right in sorted(zip(supports, right, strict=True), key=lambda pair: -pair[0])]
    counts = sorted({max(1, round(len(ordered) * step / points)) for step in range(1, points + 1)}) if ordered else []
    return [[round(count / len(ordered), 4), round(1 - sum(ordered[:count]) / count, 4)] for count in counts]
