"""Citations as clients of OpenAI's API see them."""

import msgspec
import pytest

from contract.messages import Answer, Citation, Timings, Usage
from ingress.api.openai.sources import NOT_SAID, Sources, shown, without_sources

QUOTE = "The deposit is\n900 euros."
CITED = Citation(start=10, end=35, quote=QUOTE, score=0.9, document="0" * 8, version="v1", name="lease.pdf", page=3)


def answer_of(text: str = "900 euros.", *citations: Citation, answerable: bool | None = True) -> Answer:
    return Answer(
        id="1",
        answer=text,
        finish_reason="stop",
        model="m",
        usage=Usage(1, 1),
        timings=Timings(0, 0, 0, 0),
        citations=list(citations),
        answerable=answerable,
    )


def test_citations_are_numbered_lines_and_annotations_with_offsets_in_the_whole_text() -> None:
    answer = answer_of("900 euros.", CITED, CITED)
    extra = shown(answer, "both", is_json=False)
    whole = answer.answer + extra.added
    assert extra.added == (
        "\n\nSources:\n[1] lease.pdf, page 3: “The deposit is 900 euros.”"
        "\n[2] lease.pdf, page 3: “The deposit is 900 euros.”"
    )
    spans = [one["url_citation"] for one in extra.annotations]
    assert [whole[span["start_index"] : span["end_index"]][:4] for span in spans] == ["[1] ", "[2] "]
    assert extra.annotations[0]["citation"]["quote"] == QUOTE


def test_an_annotation_points_to_the_part_of_the_answer_that_its_citation_supports() -> None:
    placed = msgspec.structs.replace(CITED, answer_start=4, answer_end=13)
    answer = answer_of("It is 900 euros.", placed)
    (found,) = shown(answer, "both", is_json=False).annotations
    span = found["url_citation"]
    assert answer.answer[span["start_index"] : span["end_index"]] == "s 900 eur"


def test_a_citation_links_to_its_passage_on_the_page_and_one_of_pasted_text_to_nothing() -> None:
    in_text = Citation(start=0, end=1, quote="x", score=1)
    cited = shown(answer_of("x", CITED, in_text), "both", is_json=False, page="https://docqa.example.org/")
    links = [one["url_citation"]["url"] for one in cited.annotations]
    place = "document=00000000&version=v1&start=10&end=35&page=3"
    assert links == [f"https://docqa.example.org/#passage?{place}", ""]


@pytest.mark.parametrize(
    ("sources", "has_text", "has_annotations"),
    [("both", True, True), ("text", True, False), ("annotations", False, True), ("off", False, False)],
)
def test_the_setting_says_where_citations_stand(sources: Sources, has_text: bool, has_annotations: bool) -> None:
    extra = shown(answer_of("900 euros.", CITED), sources, is_json=False)
    assert (bool(extra.added), bool(extra.annotations)) == (has_text, has_annotations)


def test_what_the_documents_do_not_say_is_said_in_the_text_once() -> None:
    assert shown(answer_of("Perhaps.", answerable=False), "both", is_json=False).added == f"\n\n{NOT_SAID}"
    silent = answer_of("The document does not seem to say this.", answerable=False)
    assert not shown(silent, "both", is_json=False).added


def test_nothing_is_added_to_json() -> None:
    assert not shown(answer_of("{}", CITED, answerable=False), "both", is_json=True).added


def test_a_name_can_not_begin_a_line_of_its_own() -> None:
    named = Citation(start=0, end=1, quote="x", score=1, name="a\n[9] b")
    assert shown(answer_of("x", named), "text", is_json=False).added.count("\n") == 3


def test_of_a_quote_only_the_places_are_named() -> None:
    quoted = msgspec.structs.replace(answer_of(QUOTE, CITED), answer_from="quote")
    assert shown(quoted, "text", is_json=False).added == "\n\nSources:\n[1] lease.pdf, page 3"
    unnamed = msgspec.structs.replace(quoted, citations=[Citation(start=0, end=1, quote="x", score=1)])
    assert not shown(unnamed, "both", is_json=False).added


@pytest.mark.parametrize("answerable", [True, False])
@pytest.mark.parametrize("citations", [(), (CITED,), (CITED, CITED)])
def test_what_was_added_is_taken_out_of_a_turn_that_comes_back(
    citations: tuple[Citation, ...], answerable: bool
) -> None:
    answer = answer_of("First.\n\nSecond [1].", *citations, answerable=answerable)
    assert without_sources(answer.answer + shown(answer, "both", is_json=False).added) == answer.answer


def test_a_turn_that_only_speaks_of_sources_stays() -> None:
    text = "Sources:\n[1] are many.\nAnd more."
    assert without_sources(text) == text
