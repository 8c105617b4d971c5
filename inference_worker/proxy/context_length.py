"""Finds in an API's words that prompt and answer do not fit its model, and the numbers of tokens. Pure.

Each API has words of its own for it, and new ones come: words of a context or of tokens, and of a limit, count.
"""

import re
from typing import Final

_MEANT: Final = (
    re.compile(r"context[ _-]?(?:length|window|size|limit)", re.IGNORECASE),
    re.compile(
        r"\b(?:prompts?|inputs?|messages?|requests?)\b.{0,60}\btoo (?:long|large|many)", re.IGNORECASE | re.DOTALL
    ),
    re.compile(r"too many (?:input |prompt )?tokens", re.IGNORECASE),
    re.compile(r"\btokens?\b.{0,120}\b(?:exceed|maximum|at most|limit|must be <=)", re.IGNORECASE | re.DOTALL),
    re.compile(r"\b(?:exceed\w*|maximum|limit)\b.{0,120}\btokens?\b", re.IGNORECASE | re.DOTALL),
    re.compile(r"reduce the (?:length|size) of", re.IGNORECASE),
)
_NUMBER: Final = re.compile(r"(?<![\w.-])\d{1,3}(?:,\d{3})+(?![\w])|(?<![\w.-])\d{1,9}(?![\w])")
_ANSWER: Final = re.compile(
    r"(?:at most|maximum(?: of| value)?(?: is)?|up to|<=) *(\d{1,9}) (?:completion|output)", re.IGNORECASE
)
_IS_OF_BOTH: Final = re.compile(r"completion|requested|max_(?:new_)?tokens|max_completion_tokens", re.IGNORECASE)


def is_meant(words: str) -> bool:
    """True for words that say that the context is too long."""
    return any(form.search(words) for form in (*_MEANT, _ANSWER))


def answer_limit(words: str) -> int | None:
    """The longest answer of the model in tokens, where the words are about that."""
    found = _ANSWER.search(words)
    return int(found[1]) if found else None


def numbers_in(words: str, max_tokens: int) -> tuple[int, int]:
    """The tokens of the prompt and of the model's context, as far as the words say them; 0 for what they don't.

    `max_tokens` is the longest answer that was asked for: where two numbers differ by it, they are the prompt and both
    together.
    """
    numbers = [int(number.replace(",", "")) for number in _NUMBER.findall(words)]
    for prompt in numbers:
        limits = [number for number in numbers if number < prompt + max_tokens and number not in (prompt, max_tokens)]
        if max_tokens and prompt + max_tokens in numbers and prompt > 0:
            equal = [max_tokens] if numbers.count(max_tokens) > 1 else []
            return prompt, max([*limits, *equal], default=0)
    return _by_order(numbers, words, max_tokens)


def _by_order(numbers: list[int], words: str, max_tokens: int) -> tuple[int, int]:
    """Without a sum: the largest number but the answer's is what does not fit, or the limit that both exceed."""
    rest = sorted(numbers)
    if max_tokens in rest and len(set(rest)) > 1 and len(rest) > 2:
        rest.remove(max_tokens)
    rest = sorted({number for number in rest if number > 1})
    if len(rest) < 2:
        return 0, rest[0] if rest else 0
    smaller, larger = rest[-2:]
    if max_tokens in numbers and smaller + max_tokens > larger:
        return smaller, larger
    is_sum = _IS_OF_BOTH.search(words) and larger - max_tokens > 0 and "messages resulted" not in words
    return (larger - max_tokens if is_sum else larger), smaller
