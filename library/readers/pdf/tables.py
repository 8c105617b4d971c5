"""Which fragments in reading order are cells of a table: a cell of several lines is one cell. Pure.

Knows tables whose file goes from cell to cell, as office programs and browsers do; drawn lines are not looked at.
"""

from collections.abc import Iterator
from itertools import pairwise

import msgspec

from library.readers.pdf.fragment import Fragment

_ALIGNED_EM = 0.5  # edges or middles of a cell's lines, and of a column's cells
_NEXT_LINE = 1.15  # times the usual distance of lines: within a cell
_CELL_LINES = 12  # more side by side are columns of a page
_BESIDE = 0.4  # of the lower one's height, in common
_ROWS_APART_EM = 4.0


class Cell(msgspec.Struct, frozen=True):
    """A fragment's place: two with the same `row` and `column` are lines of one cell; `row` counts on over tables."""

    row: int
    column: int
    table: int


class _Block(msgspec.Struct):
    """Lines of one cell, or of a paragraph."""

    indices: list[int]
    lines: list[Fragment]

    @property
    def left(self) -> float:
        return min(line.left for line in self.lines)

    @property
    def right(self) -> float:
        return max(line.right for line in self.lines)

    @property
    def top(self) -> float:
        return max(line.top for line in self.lines)

    @property
    def bottom(self) -> float:
        return min(line.bottom for line in self.lines)


def cells(fragments: list[Fragment], leading: float) -> dict[int, Cell]:
    """The cell of each fragment that is in a table, by its index. `leading`: the usual distance of lines, in sizes."""
    found: dict[int, Cell] = {}
    row = 0
    for number, table in enumerate(_tables(_rows(_blocks(fragments, leading)))):
        for blocks in table:
            row += 1
            for column, block in enumerate(blocks):
                found |= dict.fromkeys(block.indices, Cell(row, column, number))
    return found


def _blocks(fragments: list[Fragment], leading: float) -> Iterator[_Block]:
    block: _Block | None = None
    for index, fragment in enumerate(fragments):
        if block and _goes_on(block.lines[-1], fragment, leading) and not _begins_row(fragments, index):
            block.indices.append(index)
            block.lines.append(fragment)
            continue
        if block:
            yield block
        block = _Block([index], [fragment])
    if block:
        yield block


def _goes_on(before: Fragment, after: Fragment, leading: float) -> bool:
    size = max(before.size, after.size)
    # The boxes' lower edges: PDFium takes pieces at nearly one height for one line, with one baseline.
    below = 0 < before.bottom - after.bottom < leading * _NEXT_LINE * size
    return below and bool(before.hidden) == bool(after.hidden) and _aligned(before, after, size)


def _aligned(one: Fragment | _Block, other: Fragment | _Block, size: float) -> bool:
    off = min(abs(one.left - other.left), abs(one.right - other.right))
    off = min(off, abs(one.left + one.right - other.left - other.right) / 2)
    return off < _ALIGNED_EM * size


def _begins_row(fragments: list[Fragment], index: int) -> bool:
    """Whether the next fragment is on the same line, to the right."""
    if index + 1 == len(fragments):
        return False
    here, following = fragments[index], fragments[index + 1]
    return following.left >= here.right and abs(following.bottom - here.bottom) < 0.2 * here.size


def _rows(blocks: Iterator[_Block]) -> list[list[_Block]]:
    rows: list[list[_Block]] = []
    for block in blocks:
        if rows and _is_beside(rows[-1], block):
            rows[-1].append(block)
        else:
            rows.append([block])
    return rows


def _is_beside(row: list[_Block], block: _Block) -> bool:
    last = row[-1]
    top, bottom = max(one.top for one in row), min(one.bottom for one in row)
    common = min(top, block.top) - max(bottom, block.bottom)
    lower = min(top - bottom, block.top - block.bottom)
    short = max(len(last.lines), len(block.lines)) <= _CELL_LINES
    return short and block.left >= last.right and common > _BESIDE * lower


def _tables(rows: list[list[_Block]]) -> Iterator[list[list[_Block]]]:
    """Two rows and more of several cells each, one below the other, with a column in common."""
    table: list[list[_Block]] = []
    for row in [*rows, []]:
        if len(row) > 1 and (not table or _follows(table[-1], row)):
            table.append(row)
            continue
        if len(table) > 1:
            yield table
        table = [row] if len(row) > 1 else []


def _follows(above: list[_Block], row: list[_Block]) -> bool:
    size = row[0].lines[0].size
    gap = min(block.bottom for block in above) - max(block.top for block in row)
    if not -size < gap < _ROWS_APART_EM * size:
        return False
    later = above[1:]
    return any(_aligned(one, other, size) for one in later for other in row[1:]) or _same_edges(above, row, size)


def _same_edges(above: list[_Block], row: list[_Block], size: float) -> bool:
    """Of the first cells, where the others' texts are centred or to the right."""
    return len(above) == len(row) and _aligned(above[0], row[0], size) and _in_order(above, row)


def _in_order(above: list[_Block], row: list[_Block]) -> bool:
    """No cell reaches into the next column."""
    return all(
        max(here.right, below.right) <= min(there.left, beneath.left)
        for (here, there), (below, beneath) in zip(pairwise(above), pairwise(row), strict=True)
    )
