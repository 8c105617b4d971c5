"""The canonical text while it is written: white space, spans, limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.readers.canonical import Canvas, cleaned
from library.readers.limits import Limits
from library.readers.reading import ReadingFailed


def canvas() -> Canvas:
    return Canvas(Limits())


@given(st.text())
def test_cleaned_text_stays_as_it_is_and_can_be_encoded(text: str) -> None:
    once = cleaned(text)

    assert cleaned(once) == once
    once.encode()
    assert "\r" not in once


@given(st.lists(st.tuples(st.sampled_from(["write", "flow", "line", "paragraph", "cell"]), st.text(max_size=5))))
def test_the_length_is_that_of_the_text(steps: list[tuple[str, str]]) -> None:
    page = canvas()
    for step, text in steps:
        match step:
            case "write":
                page.write(text)
            case "flow":
                page.flow(text)
            case "line":
                page.end_line()
            case "paragraph":
                page.end_paragraph()
            case "cell":
                page.cell()

    assert page.length == len(page.finish())


def test_white_space_between_words_is_one_space_and_none_at_the_edges_of_lines() -> None:
    page = canvas()
    for piece in ("  one ", "\n two", " ", "", "three  "):
        page.flow(piece)
    page.end_line()
    page.flow(" four")

    assert page.finish() == "one two three\nfour"


def test_a_heading_is_its_words_alone() -> None:
    page = canvas()
    with page.heading(9):
        page.flow(" A heading ")
        page.end_paragraph()

    text = page.finish()
    assert [(text[span.start : span.end], span.level) for span in page.headings] == [("A heading", 6)]
    assert page.title == "A heading"


def test_a_hidden_span_inside_of_another_adds_none() -> None:
    page = canvas()
    with page.concealed("markup"):
        page.write("one ")
        with page.concealed("colour"):
            page.write("two")

    assert [(span.start, span.end, span.reason) for span in page.hidden] == [(0, 7, "markup")]


def test_text_past_the_limit_is_refused_at_once() -> None:
    page = Canvas(Limits(text_chars=3))
    page.write("abc")

    with pytest.raises(ReadingFailed, match="more than 3 characters"):
        page.write("d")
