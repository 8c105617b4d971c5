"""Cells of a table in a PDF: each is one text, whatever lines it takes, and a row is one line."""

from itertools import count

from library.readers.pdf.fragment import Fragment
from tests.unit.library.test_paragraphs import LEADING, LETTER, SIZE, lines, text_of

COLUMNS = (70, 190, 310)
PADDING = 6.0


def row_of_cells(top: float, *cells: str, middle: bool = False) -> tuple[list[Fragment], float]:
    """A row's fragments, cell by cell, and where the next row begins; | ends a line within a cell."""
    texts = [cell.split("|") for cell in cells]
    tallest = max(map(len, texts))
    found: list[Fragment] = []
    for left, text in zip(COLUMNS, texts, strict=False):
        down = (tallest - len(text)) * LEADING / 2 if middle else 0.0
        found += lines(*text, left=left, top=top - down, row=1000 * int(left) - int(top))
    return found, top - tallest * LEADING - PADDING


def table(*rows: tuple[str, ...], middle: bool = False, top: float = 600) -> list[Fragment]:
    found: list[Fragment] = []
    for cells in rows:
        more, top = row_of_cells(top, *cells, middle=middle)
        found += more
    for number, fragment in zip(count(), found, strict=False):
        fragment.row = number
    return found


ROWS = (
    ("Fault", "Cause", "Remedy"),
    ("No coffee", "Tank empty or|not in place", "Fill it"),
    ("Thin coffee from|both outlets", "Coarse", "Turn the dial while|the mill runs"),
)
WRITTEN = (
    "Fault\tCause\tRemedy\n"
    "No coffee\tTank empty or not in place\tFill it\n"
    "Thin coffee from both outlets\tCoarse\tTurn the dial while the mill runs"
)


def test_a_cell_of_several_lines_is_one_text_and_a_row_is_one_line() -> None:
    assert text_of(table(*ROWS)) == WRITTEN


def test_cells_in_the_middle_of_their_row_are_cells_too() -> None:
    assert text_of(table(*ROWS, middle=True)) == WRITTEN


def test_paragraphs_before_and_after_a_table_stay_apart() -> None:
    before = lines("What may happen, and what is to be done:", top=640)
    after = lines("All of it is done with the machine off.", top=440)

    text = text_of([*before, *table(*ROWS), *after])

    assert text.split("\n\n") == [before[0].text, WRITTEN, after[0].text]


def test_a_bold_head_of_a_column_is_no_heading() -> None:
    fragments = table(*ROWS)
    for fragment in fragments[:3]:
        fragment.is_bold = True

    assert text_of(fragments) == WRITTEN


def test_one_row_of_columns_is_no_table() -> None:
    left = lines("The left column of the page goes", "on to its end, and then", top=600)
    right = lines("the right one goes on with it", "to the end of the page.", left=400, top=600, row=10)

    assert "\t" not in text_of([*left, *right])


def test_columns_of_a_page_are_no_cells() -> None:
    text = ["words of a column that fill the line"] * 20
    left = lines(*text, top=700)
    right = lines(*text, left=70 + LETTER * 45, top=700, row=100)
    fragments = [*left, *right, *lines(*text, top=700 - 21 * LEADING - SIZE, row=200)]

    assert "\t" not in text_of(fragments)
