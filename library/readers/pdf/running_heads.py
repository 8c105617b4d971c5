"""Lines that repeat at the edges of pages: heads, feet and page numbers, which would stand in the middle of sentences.

A repeated line stays on the first page that has it; a line that only counts pages goes. Pure.
"""

import re
from collections import defaultdict

from library.readers.pdf.fragment import Fragment, Sheet

_EDGE_SHARE = 0.13  # of the page's height, at the top and at the bottom
_EDGE_LINES = 4
_PLACE_POINTS = 6.0  # a head is at the same height on every page, but for rounding
_LARGEST = 1.12  # times the body's letters
_NUMBER = re.compile(r"\d+")
_ROMAN = re.compile(r"[\W_]*[ivxlc]{1,7}[\W_]*", re.I)
_COUNTS_ONLY = re.compile(
    r"[\W\d_]*(?:page|p|pg|seite|página|pagina|strona|стр|страница|of|von|de|di|sur|из|z|[\W\d_])*", re.I
)
_SHARE = 0.8  # of a counting line's pages, on which its number grows as the pages do
_REPEATS = 3

Key = tuple[str, bool, int]


def without_running_heads(sheets: list[Sheet], body: float) -> list[list[Fragment]]:
    """Each page's fragments, less what only repeats; a repeated line comes first on the page that keeps it.

    `body` is the size of the body's letters: larger ones are headings, also where they repeat.
    """
    counting: set[int] = set()
    repeated: dict[str, list[tuple[int, Fragment]]] = defaultdict(list)
    for (text, _, _), found in _edge_places(sheets, body).items():
        if len({page for page, _ in found}) < min(_REPEATS, max(2, len(sheets))):
            continue
        if "#" in text and not _grows(found):
            continue
        if "#" in text and _COUNTS_ONLY.fullmatch(text.replace("#", "")):
            counting.update(id(fragment) for _, fragment in found)
        else:
            repeated[text] += found
    _add_beside_numbers(sheets, counting, repeated)
    return _without(sheets, counting, repeated)


def _add_beside_numbers(
    sheets: list[Sheet], counting: set[int], repeated: dict[str, list[tuple[int, Fragment]]]
) -> None:
    """What is on one line with a page's number is a head, also where a short chapter repeats it only once."""
    for page, sheet in enumerate(sheets):
        heights = [fragment.middle for fragment in sheet.fragments if id(fragment) in counting]
        for fragment in sheet.fragments if heights else ():
            is_beside = any(abs(fragment.middle - height) < _PLACE_POINTS / 2 for height in heights)
            if is_beside and id(fragment) not in counting:
                repeated[fragment.text].append((page, fragment))


def _without(
    sheets: list[Sheet], counting: set[int], repeated: dict[str, list[tuple[int, Fragment]]]
) -> list[list[Fragment]]:
    """Each page's rest, behind what it alone keeps of all that repeats."""
    dropped = {id(fragment) for found in repeated.values() for _, fragment in found}
    said = {_plain(fragment.text) for sheet in sheets for fragment in sheet.fragments if id(fragment) not in dropped}
    first: dict[int, list[Fragment]] = defaultdict(list)
    for found in repeated.values():
        page, kept = min(found, key=lambda place: place[0])
        if _plain(kept.text) not in said:  # the head of a chapter says what its heading says
            said.add(_plain(kept.text))
            kept.is_running = True
            first[page].append(kept)
    pages = []
    for page, sheet in enumerate(sheets):
        texts = [fragment for fragment in sheet.fragments if id(fragment) not in counting]
        rest = [fragment for fragment in texts if id(fragment) not in dropped]
        # Where nothing else is there, what repeats is the page's text.
        pages.append(first.get(page, []) + rest if rest else texts)
    return pages


def _plain(text: str) -> str:
    """Letters and numbers alone, without case."""
    return "".join(char for char in text.casefold() if char.isalnum())


def _edge_places(sheets: list[Sheet], body: float) -> dict[Key, list[tuple[int, Fragment]]]:
    """Lines near the edges by what they say, numbers aside, and where."""
    places: dict[Key, list[tuple[int, Fragment]]] = defaultdict(list)
    for page, sheet in enumerate(sheets):
        for is_top, edge in ((True, _edge(sheet, top=True)), (False, _edge(sheet, top=False))):
            for fragment in edge:
                text = _NUMBER.sub("#", " ".join(fragment.text.split()))
                text = "#" if _ROMAN.fullmatch(text) else text
                if fragment.size > body * _LARGEST and text.strip("-|/. ") != "#":
                    continue
                places[text, is_top, round(fragment.middle / _PLACE_POINTS)].append((page, fragment))
    return places


def _edge(sheet: Sheet, *, top: bool) -> list[Fragment]:
    """The outermost lines there, not further from the edge than heads are."""
    depth = sheet.height * _EDGE_SHARE
    if top:
        near = [fragment for fragment in sheet.fragments if fragment.middle > sheet.height - depth]
    else:
        near = [fragment for fragment in sheet.fragments if fragment.middle < depth]
    return sorted(near, key=lambda fragment: -fragment.middle if top else fragment.middle)[:_EDGE_LINES]


def _grows(found: list[tuple[int, Fragment]]) -> bool:
    """One of the line's numbers goes up by one from page to page, or is in Roman letters."""
    numbers = [_NUMBER.findall(fragment.text) for _, fragment in found]
    if not all(numbers):
        return True
    for position in range(min(map(len, numbers))):
        offsets = [
            int(found_there[position][-9:]) - page for found_there, (page, _) in zip(numbers, found, strict=True)
        ]
        if max(offsets.count(offset) for offset in set(offsets)) >= _SHARE * len(offsets):
            return True
    return False
