"""Lines that repeat at the edges of pages, found by what they say and where."""

from library.readers.pdf.fragment import Fragment, Sheet
from library.readers.pdf.running_heads import without_running_heads

BODY = 10.0


def line(text: str, bottom: float, size: float = BODY) -> Fragment:
    return Fragment(
        text, left=70, right=70 + 5 * len(text), bottom=bottom, top=bottom + size, size=size, row=0, baseline=bottom
    )


def sheet(*fragments: Fragment) -> Sheet:
    return Sheet(list(fragments), width=595, height=842)


def left(sheets: list[Sheet]) -> list[list[str]]:
    return [[fragment.text for fragment in page] for page in without_running_heads(sheets, BODY)]


def test_a_head_stays_on_its_first_page_only() -> None:
    sheets = [sheet(line("ACME Lease", 810), line(f"text {page} of it", 500)) for page in "abcd"]

    assert left(sheets) == [["ACME Lease", "text a of it"], ["text b of it"], ["text c of it"], ["text d of it"]]


def test_a_kept_foot_comes_before_the_text_so_that_no_sentence_is_cut() -> None:
    sheets = [sheet(line(f"text {page} of it", 500), line("Confidential", 30)) for page in "abc"]

    assert left(sheets)[0] == ["Confidential", "text a of it"]


def test_page_numbers_go_from_every_page() -> None:
    sheets = [sheet(line("text", 500 - page), line(f"Page {page} of 4", 30)) for page in range(1, 5)]

    assert left(sheets) == [["text"]] * 4


def test_roman_page_numbers_go_too() -> None:
    sheets = [sheet(line("text", 500 - 9 * page), line(number, 30)) for page, number in enumerate(("i", "ii", "iii"))]

    assert left(sheets) == [["text"]] * 3


def test_a_head_with_a_page_number_is_kept_once() -> None:
    sheets = [sheet(line(f"Lease of 1987 | {page}", 810), line("text", 500 - 9 * page)) for page in range(1, 5)]

    assert left(sheets) == [["Lease of 1987 | 1", "text"], ["text"], ["text"], ["text"]]


def test_lines_whose_numbers_do_not_count_pages_stay() -> None:
    sheets = [sheet(line(f"Invoice {number}", 810), line("text", 500)) for number in (912, 77, 4501)]

    assert left(sheets) == [["Invoice 912", "text"], ["Invoice 77", "text"], ["Invoice 4501", "text"]]


def test_large_letters_are_headings_also_where_they_count() -> None:
    sheets = [sheet(line(f"Section {page}", 810, size=16), line("text", 500)) for page in range(1, 5)]

    assert left(sheets)[3] == ["Section 4", "text"]


def test_text_in_the_middle_of_the_page_may_repeat() -> None:
    sheets = [sheet(line("the same words", 500)) for _ in range(5)]

    assert left(sheets) == [["the same words"]] * 5


def test_different_heads_on_left_and_right_pages_are_each_kept_once() -> None:
    sheets = [sheet(line("Book" if page % 2 else "Chapter", 810), line("text", 400 + page)) for page in range(8)]

    assert left(sheets) == [["Chapter", "text"], ["Book", "text"], *[["text"]] * 6]


def test_what_is_beside_a_page_number_is_a_head_and_a_headings_double_goes() -> None:
    sheets = [
        sheet(line(f"{page}", 810), line("1.1 RENT" if page < 3 else "1.2 TERM", 810), line(f"text {page * 'x'}", 400))
        for page in range(1, 5)
    ]
    sheets[0].fragments.append(line("1.1. Rent", 600))

    assert left(sheets) == [["text x", "1.1. Rent"], ["text xx"], ["1.2 TERM", "text xxx"], ["text xxxx"]]


def test_pages_that_hold_nothing_but_the_same_line_keep_it() -> None:
    sheets = [sheet(line("This page is empty on purpose.", 810), line(str(page), 30)) for page in range(1, 4)]

    assert left(sheets)[1:] == [["This page is empty on purpose."]] * 2
