"""Whether a sentence holds an answer of the asked kind that the question does not hold itself."""

import re
from typing import Final

from contract.evidence.question import Asked
from contract.evidence.words import fold, term_of

_NUMBER: Final = re.compile(
    r"\d[\d.,]*|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozens?|hundreds?|thousands?|"
    r"millions?|"
    r"billions?|half|twice|third|quarter|once|first|second|fourth|fifth|twenty|thirty|forty|fifty|sixty|seventy|"
    r"eighty|ninety|"
    r"fifteen|none|daily|weekly|monthly|yearly|annually|quarterly)\b|[一二三四五六七八九十百千万亿两]",
    re.IGNORECASE,
)
_DATE: Final = re.compile(
    r"\b(?:1\d{3}|20\d\d)s?\b|\b(?:january|february|march|april|may|june|july|august|september|october|november|"
    r"december|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|spring|summer|autumn|winter|century|centuries|today|"
    r"midnight|noon|year|years|days?|weeks?|months?|hours?|before|after|until|during|upon|once)\b|\bBC\b|\bAD\b|"
    r"\d{1,2}:\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d+(?:世纪|年|月|日)|год|век|январ|феврал|март|апрел|\bма[йя]\b|июн|"
    r"июл|август|"
    r"сентябр|октябр|ноябр|декабр|[\u0660-\u0669]{3,4}|عام|سنه|سنة|القرن",
    re.IGNORECASE,
)
_YEAR: Final = re.compile(
    r"\b(?:1\d{3}|20\d\d)s?\b|\d{1,4}年|\d{1,2} ?(?:January|February|March|April|May|June|July|August)"
)
_NAME: Final = re.compile(r"(?<=[\w,;:)\"'”’] )[\"'“‘(]?[A-ZÀ-ÞА-Я][\w'’-]+")
_PLACE: Final = re.compile(r"\b(?:in|at|from|near|to|of|on|into|within|under|through|across)(?: the)? [A-ZÀ-Þ]\w+")
_READ_CHARACTERS: Final = 600


def has_kind(kind: Asked, sentence: str, asked_terms: frozenset[str]) -> float:
    """From 0 (nothing of the asked kind) to 1 (surely something of it, and new)."""
    sentence = sentence[:_READ_CHARACTERS]
    if kind == "number":
        return float(_has_new(_NUMBER, sentence, asked_terms))
    if kind == "date":
        strong = _has_new(_YEAR, sentence, asked_terms)
        return 1.0 if strong else 0.5 * bool(_DATE.search(sentence))
    if kind == "person":
        return float(_has_new(_NAME, " " + sentence, asked_terms))
    if kind == "place":
        return max(float(bool(_PLACE.search(sentence))), 0.5 * _has_new(_NAME, sentence, asked_terms))
    return 0.0


def _has_new(pattern: re.Pattern[str], sentence: str, asked_terms: frozenset[str]) -> bool:
    return any(
        (term_of(fold(found[0].strip(" \"'“‘(.,"))) or found[0]) not in asked_terms
        for found in pattern.finditer(sentence)
    )
