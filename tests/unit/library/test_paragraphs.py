"""Which lines of a page go on and which end, and what is between them in the text."""

from library.readers.canonical import Canvas
from library.readers.limits import Limits
from library.readers.pdf.fragment import Fragment
from library.readers.pdf.order import in_reading_order, on_one_line
from library.readers.pdf.paragraphs import type_of
from library.readers.pdf.writer import write_pages

LETTER = 5.0
SIZE = 10.0
LEADING = 12.0
WIDE = 60  # letters of a full line


def lines(*texts: str, left: float = 70, top: float = 700, size: float = SIZE, row: int = 0) -> list[Fragment]:
    """One below the other; a text that ends with ~ was hyphenated."""
    found = []
    for number, text in enumerate(texts):
        bottom = top - number * LEADING * size / SIZE
        shown = text.rstrip("~")
        width = len(shown) * LETTER * size / SIZE
        hyphenated = text.endswith("~")
        found.append(
            Fragment(
                shown, left, left + width, bottom, bottom + size, size, row + number, bottom, is_hyphenated=hyphenated
            )
        )
    return found


def written(*pages: list[Fragment]) -> Canvas:
    canvas = Canvas(Limits())
    ordered = [in_reading_order(page) for page in pages]
    write_pages(ordered, type_of(ordered), canvas)
    return canvas


def text_of(*pages: list[Fragment]) -> str:
    return written(*pages).finish()


def full(text: str) -> str:
    """Filled up to a line's width."""
    return (text + " goes on and on with many other words to the end of the line")[:WIDE].rstrip()


def test_full_lines_are_one_paragraph() -> None:
    page = lines(full("First"), full("second"), "short end.")

    assert "\n" not in text_of(page)


def test_a_line_with_room_for_the_next_word_was_ended_on_purpose() -> None:
    page = lines("Mr A. Smith", "12 Long Street and a very long name of a place", "Springfield")

    assert text_of(page).split("\n")[0] == "Mr A. Smith"


def test_a_far_line_begins_a_paragraph() -> None:
    page = lines(full("First"), "ends here.") + lines("Then another.", top=650, row=5)

    assert text_of(page).endswith("ends here.\n\nThen another.")


def test_an_indented_line_after_a_sentence_begins_a_paragraph() -> None:
    page = lines(full("First")[: WIDE - 1] + ".") + lines(full("Then another"), left=90, top=688, row=1)

    assert ".\n\nThen" in text_of(page)


def test_list_items_are_lines() -> None:
    page = lines(full("The list")[:-1] + ":", "\u2022 one thing", "\u2022 another thing", "(a) a third", "12. a fourth")

    assert text_of(page).split("\n")[1:] == ["\u2022 one thing", "\u2022 another thing", "(a) a third", "12. a fourth"]


def test_halves_of_a_word_are_joined_by_what_else_the_document_says() -> None:
    page = lines(
        "the landlord and a follow-up visit are here, and a land~", "lord had a follow~", "up on COVID~", "19."
    )

    assert text_of(page).endswith("and a landlord had a follow-up on COVID-19.")


def test_a_sentence_goes_on_over_the_end_of_a_page() -> None:
    assert text_of(lines(full("The tenant")), lines("pays the rent.")).endswith("pays the rent.")
    assert "\n" not in text_of(lines(full("The tenant")), lines("pays the rent."))


def test_a_word_goes_on_over_the_end_of_a_page() -> None:
    assert "the tenant." in text_of(lines(full("It is paid by the ")[: WIDE - 8] + " the ten~"), lines("ant."))


def test_a_page_that_ends_with_a_sentence_ends_a_paragraph() -> None:
    assert text_of(lines("It ends."), lines("Another begins.")) == "It ends.\n\nAnother begins."


def test_headings_of_two_lines_are_one() -> None:
    page = lines("A heading that", "takes two lines", size=16) + lines(*[full("Text")] * 9, top=640, row=3)
    canvas = written(page)
    text = canvas.finish()

    assert [text[heading.start : heading.end] for heading in canvas.headings] == ["A heading that takes two lines"]


def test_a_head_that_is_kept_waits_for_the_end_of_a_sentence() -> None:
    head = lines("1.2 TERM", top=800)
    head[0].is_running = True
    after = [
        *head,
        *lines(full("pays the rent and")),
        *lines("keeps it.", top=688, row=1),
        *lines("New.", top=600, row=2),
    ]

    text = text_of(lines(full("The tenant")), after)

    assert text.endswith("keeps it.\n\n1.2 TERM\n\nNew.")
    assert "\n" not in text[: text.index("keeps it.")]


def test_a_superscript_stays_in_its_line() -> None:
    base, after = lines("The sphere S"), lines("can be stretched.", left=136)
    small = [Fragment("2", 130, 134, 705, 711, 6, 1, 705)]

    assert [fragment.text for fragment in on_one_line(base + small + after)] == ["The sphere S2 can be stretched."]


def test_cells_of_a_table_do_not_touch() -> None:
    cells = lines("Item") + lines("Price", left=120)

    assert on_one_line(cells) == cells


def test_chinese_lines_are_joined_without_a_space() -> None:
    first, second = "\u79df\u6237\u5e94\u6bcf\u6708" * 6, "\u652f\u4ed8\u79df\u91d1\u3002"

    assert text_of(lines(first, second)) == first + second


def test_columns_written_across_are_read_down() -> None:
    page = []
    for row in range(8):
        top = 700 - row * LEADING
        page += lines(f"left words of row {row} which", left=70, top=top, row=row)
        page += lines(f"right words of row {row} then", left=330, top=top, row=row)

    text = text_of(page)

    assert text.index("left words of row 7") < text.index("right words of row 0")


def test_cells_of_a_table_stay_in_their_rows() -> None:
    page = []
    for row in range(8):
        top = 700 - row * LEADING
        page += lines(f"item {row}", left=70, top=top, row=row) + lines(f"{row * 7}.50", left=330, top=top, row=row)

    assert text_of(page).split("\n")[2] == "item 2\t14.50"


def test_a_page_written_from_the_bottom_up_is_read_from_the_top_down() -> None:
    page = lines(*(full(f"Line {number} of this page") for number in range(10)))
    page.reverse()
    for number, fragment in enumerate(page):
        fragment.row = number

    text = text_of(page)

    assert [text.index(f"Line {number} ") for number in range(10)] == sorted(
        text.index(f"Line {number} ") for number in range(10)
    )


def test_pages_hold_their_text_without_gaps() -> None:
    canvas = written(lines("One."), [], lines("Three."))
    text = canvas.finish()

    assert [text[page.start : page.end].strip() for page in canvas.pages] == ["One.", "", "Three."]
    assert canvas.pages_without_text == [2]
    assert [page.start for page in canvas.pages][1:] == [page.end for page in canvas.pages][:-1]
