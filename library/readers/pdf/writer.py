"""Writes pages of fragments as canonical text: words that a line's end cut are whole again."""

import re
from collections.abc import Container

from library.readers.canonical import Canvas
from library.readers.pdf.fragment import Fragment
from library.readers.pdf.paragraphs import Joint, Placed, Type, across_pages, placed
from library.readers.reading import HiddenReason

_WORDS = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST = re.compile(r"[^\W\d_]+$")
_FIRST = re.compile(r"[^\W\d_]+")
_HYPHENATING = frozenset(("well", "self", "ex"))
# Chinese, Japanese and Thai letters on both sides.
_WITHOUT_SPACES = re.compile("[\u0e00-\u0e7f\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]{2}")
_WRITTEN = {Joint.CELL: "\t", Joint.SPACE: " ", Joint.LINE: "\n", Joint.PARAGRAPH: "\n\n", Joint.WORD: ""}


def write_pages(pages: list[list[Fragment]], letters: Type, canvas: Canvas, recognised: Container[int] = ()) -> None:
    """Write all pages; a sentence that goes on over a page's end goes on in the text.

    `recognised` holds the indices of pages that were read from images.
    """
    words = _vocabulary(pages)
    last: Placed | None = None
    for index, fragments in enumerate(pages):
        heads = [Placed(fragment, Joint.PARAGRAPH) for fragment in fragments if fragment.is_running]
        lines = placed([fragment for fragment in fragments if not fragment.is_running], letters)
        with canvas.page(ocr=index in recognised):
            if lines:
                lines[0].joint = across_pages(last, lines[0])
            last = _write(_with_heads(lines, heads), last, words, canvas)


def _with_heads(lines: list[Placed], heads: list[Placed]) -> list[Placed]:
    """A kept head comes first, or where the first paragraph ends that goes on from the page before."""
    if not heads or not lines:
        return heads + lines
    goes_on = lines[0].joint in (Joint.SPACE, Joint.WORD)
    ends = (index for index, line in enumerate(lines) if index and line.joint is Joint.PARAGRAPH)
    place = next(ends, len(lines)) if goes_on else 0
    if place < len(lines):
        lines[place].joint = Joint.PARAGRAPH
    return lines[:place] + heads + lines[place:]


def _write(lines: list[Placed], last: Placed | None, words: set[str], canvas: Canvas) -> Placed | None:
    for line in lines:
        if last is not None:
            canvas.write(_between(last, line, words))
        start = canvas.length
        canvas.write(line.fragment.text)
        _mark(line, last, start, canvas)
        last = line
    return last


def _between(last: Placed, line: Placed, words: set[str]) -> str:
    if line.joint is Joint.WORD:
        return _hyphen(last.fragment.text, line.fragment.text, words)
    if line.joint is Joint.SPACE and _WITHOUT_SPACES.match(last.fragment.text[-1:] + line.fragment.text[:1]):
        return ""
    return ("-" if last.fragment.is_hyphenated else "") + _WRITTEN[line.joint]


def _hyphen(before: str, after: str, words: set[str]) -> str:
    """What is between the halves of a word: nothing, or a hyphen that belongs to it."""
    left, right = _LAST.search(before), _FIRST.match(after)
    if left is None or right is None:
        return "-"
    whole = (left.group() + right.group()).lower()
    if whole in words:
        return ""
    halves = left.group().lower(), right.group().lower()
    if halves[0] in _HYPHENATING or all(len(half) > 2 and half in words for half in halves):
        return "-"
    if f"{left.group()}-{right.group()}".lower() in words or not right.group()[0].islower():
        return "-"
    return ""


def _vocabulary(pages: list[list[Fragment]]) -> set[str]:
    """The document's words, as far as lines do not cut them; empty where no line does."""
    lines = [fragment for fragments in pages for fragment in fragments]
    if not any(fragment.is_hyphenated for fragment in lines):
        return set()
    words: set[str] = set()
    is_cut = False
    for fragment in lines:
        found = _WORDS.findall(fragment.text.lower())
        words.update(found[is_cut : len(found) - fragment.is_hyphenated])
        is_cut = fragment.is_hyphenated
    return words


def _mark(line: Placed, last: Placed | None, start: int, canvas: Canvas) -> None:
    for from_, to, reason in _joined(line.fragment):
        canvas.conceal(start + from_, start + to, reason)
    if line.level:
        goes_on = line.joint is Joint.SPACE and last is not None and last.level == line.level
        canvas.mark_heading(start, canvas.length, line.level, goes_on=goes_on)


def _joined(fragment: Fragment) -> list[tuple[int, int, HiddenReason]]:
    """Hidden words that follow each other are one span."""
    spans: list[tuple[int, int, HiddenReason]] = []
    for start, end, reason in sorted(fragment.hidden):
        if spans and spans[-1][2] == reason and fragment.text[spans[-1][1] : start].isspace():
            spans[-1] = (spans[-1][0], end, reason)
        else:
            spans.append((start, end, reason))
    return spans
