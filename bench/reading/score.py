"""How much of a reference is in a text, in order: the longest common subsequence of words. Pure."""

import re

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    return [word.lower() for word in _WORD.findall(text)]


def share_in_order(reference: list[str], found: list[str]) -> float:
    """Of the reference's words, those that are in `found` in the same order; 1 for an empty reference."""
    if not reference:
        return 1.0
    edits = _edits(reference, found)
    return (len(reference) + len(found) - edits) / 2 / len(reference)


def _edits(before: list[str], after: list[str]) -> int:
    """Fewest insertions and deletions from one to the other (Myers, 1986: An O(ND) difference algorithm)."""
    furthest = {1: 0}
    for edits in range(len(before) + len(after) + 1):
        for diagonal in range(-edits, edits + 1, 2):
            goes_down = diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1])
            x = furthest[diagonal + 1] if goes_down else furthest[diagonal - 1] + 1
            y = x - diagonal
            while x < len(before) and y < len(after) and before[x] == after[y]:
                x, y = x + 1, y + 1
            furthest[diagonal] = x
            if x >= len(before) and y >= len(after):
                return edits
    return 0
