"""The order in which a page's fragments are read. Pure: knows places and words, not PDF.

The file's own order is kept where it goes down the page and from column to column. Two cases are put right: a file that
was written line by line across columns, and one whose order jumps about, which is cut along its white space
(recursive X-Y cut: Nagy and Seth, 1984).
"""

from itertools import groupby, pairwise
from statistics import mean, median

from library.readers.pdf.fragment import Fragment

_ROWS_OF_COLUMNS = 5  # fewer lines side by side are a table, or chance
_WORDS_OF_PROSE = 3.0  # a line of a column; cells of tables have fewer
_FILLED = 0.6  # of a column's width: prose fills its lines, cells do not
_SHARE = 0.8
_JUMPS = 0.12  # of all steps that go back up without a new column: more is disorder
_TOUCHING = 0.4  # of the shorter piece's height, in common with the other
_WORD_GAP, _LETTER_GAP = 0.6, 0.12  # of the letters' size: what is at most between words, at least between letters
_CUTS = 60  # how deep a page is cut


def in_reading_order(fragments: list[Fragment], *, is_filled_in: bool = False) -> list[Fragment]:
    """The same fragments, as a reader takes them in; what was filled in comes behind its label."""
    if is_filled_in or _is_disordered(fragments):
        return _cut(fragments, _CUTS)
    return _columns_untangled(fragments)


def on_one_line(fragments: list[Fragment]) -> list[Fragment]:
    """Pieces that touch on one line are one, also where their letters differ in size: superscripts, changes of font."""
    joined: list[Fragment] = []
    for fragment in fragments:
        if joined and _touches(joined[-1], fragment):
            _join(joined[-1], fragment)
        else:
            joined.append(fragment)
    return joined


def _touches(before: Fragment, after: Fragment) -> bool:
    if before.is_hyphenated or bool(before.hidden) != bool(after.hidden):
        return False
    overlap = min(before.top, after.top) - max(before.bottom, after.bottom)
    shorter = min(before.top - before.bottom, after.top - after.bottom)
    gap = after.left - before.right
    return overlap > _TOUCHING * shorter and -0.3 * before.size < gap < _WORD_GAP * max(before.size, after.size)


def _join(before: Fragment, after: Fragment) -> None:
    gap = after.left - before.right
    between = " " if gap > _LETTER_GAP * max(before.size, after.size) else ""
    shift = len(before.text) + len(between)
    if len(after.text) > len(before.text):
        before.size, before.is_bold, before.baseline = after.size, after.is_bold, after.baseline
    before.hidden = [*before.hidden, *((start + shift, end + shift, why) for start, end, why in after.hidden)]
    before.text += between + after.text
    before.right = max(before.right, after.right)
    if after.size >= before.size:
        before.bottom, before.top = min(before.bottom, after.bottom), max(before.top, after.top)
    before.is_hyphenated = after.is_hyphenated


def _is_disordered(fragments: list[Fragment]) -> bool:
    if len(fragments) < 4:
        return False
    jumps = sum(_jumps_back(before, after) for before, after in pairwise(fragments))
    return jumps >= 3 and jumps > _JUMPS * len(fragments)


def _jumps_back(before: Fragment, after: Fragment) -> bool:
    """Up the page, and not into a column beside."""
    if after.row == before.row or after.bottom < before.top:
        return False
    return min(after.right, before.right) - max(after.left, before.left) > 0


def _columns_untangled(fragments: list[Fragment]) -> list[Fragment]:
    """Lines that were written across columns of prose are read column by column."""
    rows = [list(row) for _, row in groupby(fragments, key=lambda fragment: fragment.row)]
    ordered: list[Fragment] = []
    run: list[list[Fragment]] = []
    for row in rows:
        if len(row) > 1 or (run and _fits_a_column(row[0], run)):
            run.append(row)
            continue
        ordered += _run_in_order(run)
        run = []
        ordered += row
    return ordered + _run_in_order(run)


def _fits_a_column(fragment: Fragment, run: list[list[Fragment]]) -> bool:
    """A line that one column has alone, since the other's paragraph or the column ended."""
    edge = _gutter(run)
    return edge is not None and (fragment.right <= edge or fragment.left >= edge)


def _run_in_order(run: list[list[Fragment]]) -> list[Fragment]:
    edge = _gutter(run) if len(run) >= _ROWS_OF_COLUMNS else None
    flat = [fragment for row in run for fragment in row]
    if edge is None:
        return flat
    left = [fragment for fragment in flat if fragment.right <= edge]
    right = [fragment for fragment in flat if fragment.right > edge]
    if not (_is_prose(left) and _is_prose(right)):
        return flat
    # Columns of three and more: what lies on one side may be tangled again.
    return _columns_untangled(left) + _columns_untangled(right)


def _gutter(run: list[list[Fragment]]) -> float | None:
    """The middle of the white space that (nearly) all lines have in common; None: there is none."""
    gaps = [(before.right, after.left) for row in run for before, after in pairwise(row)]
    gaps = [gap for gap in gaps if gap[0] < gap[1]]
    several = sum(len(row) > 1 for row in run)
    if not gaps:
        return None
    middle = median((left + right) / 2 for left, right in gaps)
    agreeing = [gap for gap in gaps if gap[0] <= middle <= gap[1]]
    return middle if len(agreeing) >= _SHARE * several else None


def _is_prose(fragments: list[Fragment]) -> bool:
    if len(fragments) < _ROWS_OF_COLUMNS or mean(fragment.words for fragment in fragments) < _WORDS_OF_PROSE:
        return False
    widest = max(fragment.width for fragment in fragments)
    return median(fragment.width for fragment in fragments) >= _FILLED * widest


def _cut(fragments: list[Fragment], depth: int) -> list[Fragment]:
    """Along the widest white space: between columns of prose first, then between what is above and what is below."""
    if len(fragments) < 2 or not depth:
        return _by_line(fragments)
    beside = _cut_at(fragments, sideways=True)
    if beside and _is_prose(beside[0]) and _is_prose(beside[1]):
        return _cut(beside[0], depth - 1) + _cut(beside[1], depth - 1)
    above = _cut_at(fragments, sideways=False)
    if above:
        return _cut(above[0], depth - 1) + _cut(above[1], depth - 1)
    return _by_line(fragments)


def _cut_at(fragments: list[Fragment], *, sideways: bool) -> tuple[list[Fragment], list[Fragment]] | None:
    """In two at the widest gap, from left to right or from the top down; None: nothing but lines' own spacing."""
    spans = sorted(
        ((f.left, f.right, f) if sideways else (-f.top, -f.bottom, f) for f in fragments), key=lambda span: span[:2]
    )
    size = median(fragment.size for fragment in fragments)
    best, at, reached = 0.75 * size, 0, spans[0][1]
    for index, (start, end, _) in enumerate(spans[1:], start=1):
        if start - reached > best:
            best, at = start - reached, index
        reached = max(reached, end)
    if not at:
        return None
    return [span[2] for span in spans[:at]], [span[2] for span in spans[at:]]


def _by_line(fragments: list[Fragment]) -> list[Fragment]:
    """From the top down; what overlaps in height by half is one line, from left to right."""
    lines: list[list[Fragment]] = []
    for fragment in sorted(fragments, key=lambda fragment: -fragment.middle):
        if lines and fragment.middle > lines[-1][0].bottom and fragment.top > lines[-1][0].middle:
            lines[-1].append(fragment)
        else:
            lines.append([fragment])
    for line in lines:
        line.sort(key=lambda fragment: fragment.left)
        for fragment in line:
            fragment.row = line[0].row
    return [fragment for line in lines for fragment in line]
