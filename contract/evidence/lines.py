"""What each line of a text is: blank, a heading, an item of a list, a row of a table, or running text."""

import re
from typing import Final, Literal, NamedTuple

Kind = Literal["blank", "heading", "item", "row", "rule", "text"]

_LINE: Final = re.compile(r"[^\n\r\f\v\x85\u2028\u2029]*")
_BREAK: Final = re.compile(r"\r\n|[\n\r\f\v\x85\u2028\u2029]")
_ITEM: Final = re.compile(
    r"[ \t\u3000]*(?:[-*•‣◦▪●○·–—](?=[ \t])|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{2,5})[.)](?=[ \t])|"
    r"[（(]?[一二三四五六七八九十]{1,3}[、)）])"
)
_MARKDOWN_HEADING: Final = re.compile(r"[ ]{0,3}#{1,6}[ \t]+\S")
_NUMBERED_HEADING: Final = re.compile(
    r"[ \t]*(?:(?:\d{1,3}\.){1,5}\d{0,3}|§+ ?\d+|(?:Section|Article|Chapter|Part|Annex|Appendix|Schedule|Clause|"
    r"Kapitel|Artikel|Abschnitt)\s+[\dA-Z]{1,5})[.:]?[ \t]+\S"
)
_NUMBERED: Final = re.compile(r"\(?\d{1,3}[.)]\s+[^\W\d_]")
_RULE: Final = re.compile(r"[\s|+:=\-_*]*")
_COLUMNS: Final = re.compile(r"\S(?:\t+| {3,})(?=\S)")
_CELL_DIGIT: Final = re.compile(r"\d")

_HEADING_CHARACTERS: Final = 90
_HEADING_WORDS: Final = 12
_ROW_CHARACTERS: Final = 1_000


class Line(NamedTuple):
    """One line without its line break and without outer white space: `text[start:end]`."""

    start: int
    end: int
    kind: Kind


def lines_of(text: str) -> list[Line]:
    """The lines of a text, in order."""
    spans = _spans(text)
    kinds: list[Kind] = [_kind_alone(text[start:end]) for start, end in spans]
    return [
        Line(start, end, "heading" if kind in ("text", "item") and _is_heading(text, spans, kinds, at) else kind)
        for at, ((start, end), kind) in enumerate(zip(spans, kinds, strict=True))
    ]


def _spans(text: str) -> list[tuple[int, int]]:
    spans, at = [], 0
    while True:
        found = _LINE.match(text, at)
        end = found.end() if found else at
        line = text[at:end]
        start = at + len(line) - len(line.lstrip())
        spans.append((start, max(start, at + len(line.rstrip()))))
        broken = _BREAK.match(text, end)
        if broken is None:
            return spans
        at = broken.end()


def _kind_alone(line: str) -> Kind:
    if not line:
        return "blank"
    if _RULE.fullmatch(line):
        return "rule"
    if _MARKDOWN_HEADING.match(line):
        return "heading"
    if _is_row(line):
        return "row"
    if _ITEM.match(line):
        return "item"
    return "text"


def _is_row(line: str) -> bool:
    if len(line) > _ROW_CHARACTERS:
        return False
    return (line.startswith("|") and line.count("|") > 1) or line.count(" | ") > 1 or bool(_COLUMNS.search(line))


def _is_heading(text: str, spans: list[tuple[int, int]], kinds: list[Kind], at: int) -> bool:
    """A short line that starts like a title, ends without a stop, and isn't the wrapped part of a paragraph."""
    start, end = spans[at]
    if end - start > _HEADING_CHARACTERS or text[end - 1] in ".!?,;。！？，；؟،।…":
        return False
    before = kinds[at - 1] if at else "blank"
    after = kinds[at + 1] if at + 1 < len(kinds) else "blank"
    if before == "text" and spans[at - 1][1] and text[spans[at - 1][1] - 1] not in ".!?:。！？؟।":
        # A title doesn't follow the middle of a sentence.
        return False
    line = text[start:end]
    if len(line.split()) > _HEADING_WORDS or text[end - 1] == ":" or not _starts_like_title(line):
        return False
    if kinds[at] == "item":
        return bool(_NUMBERED.match(line)) and after == "text" and _stands_above(line, text[slice(*spans[at + 1])])
    if after in ("blank", "rule"):
        return before in ("blank", "rule", "heading") and at + 1 < len(kinds) and _has_text_below(kinds, at + 1)
    return after == "text" and _stands_above(line, text[slice(*spans[at + 1])])


def _starts_like_title(line: str) -> bool:
    return not line[0].islower() and any(character.isalpha() for character in line)


def _has_text_below(kinds: list[Kind], at: int) -> bool:
    """Whether something follows the blank lines: the last line of a text is no heading."""
    return any(kind not in ("blank", "rule") for kind in kinds[at : at + 4])


def _stands_above(line: str, below: str) -> bool:
    is_marked = line.isupper() or bool(_NUMBERED_HEADING.match(line))
    # A wrapped line is about as long as the next one, and the next one goes on in the middle of a sentence.
    return not below[0].islower() and (is_marked or len(line) * 2 < len(below) or len(line) < 40 <= len(below))
