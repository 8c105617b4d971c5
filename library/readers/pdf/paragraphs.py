"""Fragments in reading order as paragraphs: which lines go on, which end, which are headings. Pure.

A line that ends although the next one's first word would have had room was ended on purpose.
"""

import re
from collections import Counter
from enum import Enum, auto
from itertools import pairwise

import msgspec

from library.readers.pdf.fragment import Fragment
from library.readers.pdf.tables import Cell, cells

_LARGER = 1.12  # than the body's letters: a heading
_SAME_SIZE = 0.08
_HEADING_CHARS = 200
_BOLD_HEADING_WORDS = 14
_FAR = 1.45  # times the usual distance of lines: a new paragraph
_INDENT_EM = 0.8
_LEVELS = 6
_SIGNS = "\u2022\u25e6\u25aa\u25cf\u25cb\u25a0\u25a1\u2013\u2014*\u00b7\u2023\u27a2\u2713-"
_BULLET = re.compile(rf"(?:[{_SIGNS}]|\(?(?:\d{{1,3}}|[a-zA-Z]|[ivx]{{1,5}})[.)])\s+\S")
_LEADER = re.compile(r"(?:[.\u2026]\s?){4,}\s*\w+$")  # to a page's number, in a list of contents
_SIGN = re.compile(rf"[{_SIGNS}]\s+\S")
_CLOSING = "\"'\u201d\u2019\u00bb)]"
_OPENING = "\"'\u201c\u2018\u00ab(["
_ENDS = tuple(".!?:;\u2026\u3002\uff01\uff1f\uff1b\u0589\u0964\u061f\u06d4")  # full stops of all scripts


class Joint(Enum):
    """How a fragment follows the one before."""

    CELL = auto()  # in the same row
    WORD = auto()  # the rest of a hyphenated word
    SPACE = auto()  # the same sentence goes on
    LINE = auto()
    PARAGRAPH = auto()


class Placed(msgspec.Struct):
    """A fragment as it goes into the text; `level` 0: no heading."""

    fragment: Fragment
    joint: Joint
    level: int = 0


class Type(msgspec.Struct, frozen=True):
    """The document's letters: the size of its body in points, and the sizes of headings, the largest first."""

    body: float
    headings: tuple[float, ...]
    leading: float  # the usual distance of two lines, in sizes of their letters

    def level(self, fragment: Fragment) -> int:
        """Of the heading that the fragment is by its size; 0: none."""
        for index, size in enumerate(self.headings):
            if abs(fragment.size - size) <= 0.02 * size:
                return index + 1
        return 0


def type_of(pages: list[list[Fragment]]) -> Type:
    """From the whole document: the most frequent size is the body's."""
    letters: Counter[float] = Counter()
    lines: Counter[float] = Counter()
    for fragments in pages:
        for fragment in fragments:
            letters[round(fragment.size, 1)] += len(fragment.text)
        for before, after in pairwise(fragments):
            distance = _distance(before, after)
            if 0.8 < distance < 2.5 and abs(before.size - after.size) < _SAME_SIZE * after.size:
                lines[round(distance, 1)] += 1
    body = letters.most_common(1)[0][0] if letters else 10.0
    larger = sorted((size for size in letters if size >= body * _LARGER), reverse=True)
    # Letters as large as a heading's in many lines are large print, not headings.
    larger = [size for size in larger if letters[size] < 0.3 * letters.total()]
    leading = lines.most_common(1)[0][0] if lines else 1.2
    return Type(body, tuple(_distinct(larger)[: _LEVELS - 1]), leading)


def _distinct(sizes: list[float]) -> list[float]:
    found: list[float] = []
    for size in sizes:
        if not found or size < found[-1] * 0.97:
            found.append(size)
    return found


def placed(fragments: list[Fragment], letters: Type) -> list[Placed]:
    """One page's fragments, each with its joint to the one before it on the page; the first one's is PARAGRAPH."""
    edges = _right_edges(fragments)
    in_table = cells(fragments, letters.leading)
    lines: list[Placed] = []
    for index, fragment in enumerate(fragments):
        cell, former = in_table.get(index), in_table.get(index - 1)
        level = 0 if cell else _heading_level(fragments, index, letters)
        if not index:
            joint = Joint.PARAGRAPH
        elif cell or former:
            joint = _joint_of_cells(former, cell, lines[-1].fragment)
        else:
            joint = _joint(lines[-1], fragment, level, edges[index - 1], letters)
        lines.append(Placed(fragment, joint, level))
    return lines


def across_pages(last: Placed | None, first: Placed) -> Joint:
    """How a page's first line follows the last one of the page before it."""
    if last is None or last.level or first.level:
        return Joint.PARAGRAPH
    if last.fragment.is_hyphenated and goes_on_with(first.fragment.text):
        return Joint.WORD
    if ends_sentence(last.fragment.text) or _BULLET.match(first.fragment.text):
        return Joint.PARAGRAPH
    return Joint.SPACE if goes_on_with(first.fragment.text) or last.joint is Joint.SPACE else Joint.PARAGRAPH


def ends_sentence(text: str) -> bool:
    """Whether a line ends with a sentence's end."""
    return text.rstrip(_CLOSING).endswith(_ENDS)


def goes_on_with(text: str) -> bool:
    """Whether a line may begin within a sentence: with a small letter, or in a script without capitals."""
    first = text.lstrip(_OPENING)[:1]
    return first.isalpha() and not first.isupper()


def _heading_level(fragments: list[Fragment], index: int, letters: Type) -> int:
    fragment = fragments[index]
    if fragment.is_running or len(fragment.text) > _HEADING_CHARS or not any(map(str.isalnum, fragment.text)):
        return 0
    if level := letters.level(fragment):
        return level
    is_short = fragment.words <= _BOLD_HEADING_WORDS and not fragment.text.endswith((".", ",", ";"))
    alone = _is_alone(fragments, index)
    return min(len(letters.headings) + 1, _LEVELS) if fragment.is_bold and is_short and alone else 0


def _is_alone(fragments: list[Fragment], index: int) -> bool:
    """The only piece of its row, and before text that is not bold: the head of a table's column is neither."""
    fragment = fragments[index]
    neighbours = fragments[max(0, index - 1) : index] + fragments[index + 1 : index + 2]
    if any(other.row == fragment.row for other in neighbours):
        return False
    following = fragments[index + 1 : index + 3]
    return any(not other.is_bold for other in following)


def _joint_of_cells(former: Cell | None, cell: Cell | None, last: Fragment) -> Joint:
    if former is None or cell is None or former.table != cell.table:
        return Joint.PARAGRAPH
    if former == cell:
        return Joint.WORD if last.is_hyphenated else Joint.SPACE
    return Joint.CELL if former.row == cell.row else Joint.LINE


def _joint(before: Placed, after: Fragment, level: int, edge: float, letters: Type) -> Joint:
    last = before.fragment
    if (last.hidden or after.hidden) and last.is_hidden != after.is_hidden:
        return Joint.PARAGRAPH
    if last.row == after.row and not last.is_hyphenated:
        return Joint.CELL
    if level or before.level:
        is_one = level == before.level and _distance(last, after) < letters.leading * _FAR
        return Joint.SPACE if is_one and not _BULLET.match(after.text) else Joint.PARAGRAPH
    if last.is_hyphenated:
        return Joint.WORD
    if abs(last.size - after.size) > _SAME_SIZE * max(last.size, after.size):
        return Joint.PARAGRAPH
    return _joint_of_body(before, after, edge, letters)


def _joint_of_body(before: Placed, after: Fragment, edge: float, letters: Type) -> Joint:
    last, distance = before.fragment, _distance(before.fragment, after)
    ends = ends_sentence(last.text)
    goes_on = goes_on_with(after.text) and not ends
    if _SIGN.match(after.text) or (_BULLET.match(after.text) and (ends or _had_room(last, after, edge))):
        return Joint.LINE if 0 < distance < letters.leading * _FAR else Joint.PARAGRAPH
    if before.joint is Joint.CELL or _LEADER.search(last.text):
        return Joint.LINE
    if distance < 0:  # up, into the next column
        return Joint.SPACE if not ends else Joint.PARAGRAPH
    if distance > letters.leading * _FAR:
        return Joint.SPACE if goes_on and distance < letters.leading * 2 * _FAR else Joint.PARAGRAPH
    if ends and after.left - last.left > _INDENT_EM * after.size:
        return Joint.PARAGRAPH
    if goes_on or not _had_room(last, after, edge):
        return Joint.SPACE
    return Joint.LINE


def _distance(before: Fragment, after: Fragment) -> float:
    """Of two lines, in sizes of the letters; negative: upwards."""
    return (before.baseline - after.baseline) / max(after.size, 1.0)


def _had_room(before: Fragment, after: Fragment, edge: float) -> bool:
    """Whether the next line's first word would have fitted behind the line before."""
    first = after.text.split(maxsplit=1)[0] if after.text.strip() else ""
    letter = after.width / max(len(after.text), 1)
    return before.right + (len(first) + 1) * letter < edge - letter


def _right_edges(fragments: list[Fragment]) -> list[float]:
    """For each fragment, how far to the right the lines of its block go."""
    edges: list[float] = []
    block: list[Fragment] = []
    for fragment in fragments:
        if block and not _is_of_block(block[-1], fragment):
            edges += [max(line.right for line in block)] * len(block)
            block = []
        block.append(fragment)
    return edges + [max((line.right for line in block), default=0.0)] * len(block)


def _is_of_block(before: Fragment, after: Fragment) -> bool:
    overlap = min(before.right, after.right) - max(before.left, after.left)
    is_below = 0 < _distance(before, after) < 2.2
    return is_below and overlap > 0 and abs(before.size - after.size) <= _SAME_SIZE * max(before.size, after.size)
