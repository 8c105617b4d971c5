"""How a text is cut into passages."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from contract.documents import Page, Span
from library.imports.cutting import PASSAGE_CHARS, cut

TEXT = "# Rent\n\nThe rent is 1,000. It is due.\n\n# Notice\n\n" + "Either party gives notice of three months. " * 60


def test_passages_hold_whole_sentences_and_are_bounded() -> None:
    passages = cut(TEXT, "lease.txt", "", (), ())
    assert all(one.end - one.start <= PASSAGE_CHARS for one in passages)
    for one in passages:
        sentences = [TEXT[one.start + each.start : one.start + each.end] for each in one.sentences]
        assert all(TEXT[one.start : one.end].count(text) for text in sentences)


def test_a_passage_knows_the_heading_that_it_stands_under() -> None:
    last = cut(TEXT, "lease.txt", "", (), ())[-1]
    assert last.context.strip() == "# Notice"
    start, end = last.sentences[0].above[0]
    assert (last.context + TEXT[last.start : last.end])[start:end] == "# Notice"


def test_a_passage_is_on_the_page_where_it_begins_and_hidden_as_a_whole() -> None:
    text = "First page.\n\nSecond page.\n\nNobody sees this."
    pages = (Page(1, 0, 13), Page(2, 13, len(text)))
    passages = cut(text, "a.pdf", "", pages, (Span(27, len(text)),))
    assert [(one.page, one.is_hidden) for one in passages] == [(1, False), (2, False), (2, True)]


@given(st.text(max_size=3000))
def test_every_letter_is_in_a_passage(text: str) -> None:
    passages = cut(text, "a.txt", "", (), ())
    assert all(before.end <= after.start for before, after in pairwise(passages))
    covered = "".join(text[one.start : one.end] for one in passages)
    assert sum(map(str.isalnum, covered)) == sum(map(str.isalnum, text))
