"""Answers with evidence: what is quoted, what is cited, what is marked."""

from collections.abc import AsyncGenerator, Callable

import msgspec
import pytest

from contract.messages import Query, ResponseFormat, Style, Usage
from inference_worker.answering.grounded import NOT_IN_THE_DOCUMENT, Grounded, Grounding
from inference_worker.answering.texts import Texts
from inference_worker.engines.base import Completion, Evidence, Piece

LEASE = """Lease agreement

The rent is 950 euros a month, due on the third working day. The tenant may end this lease at any time by giving two
months' notice in writing. Pets need the landlord's consent. The deposit is 1,900 euros.
"""


class Writer:
    """An engine that answers what the test says."""

    model_name = "writer"
    slots = 1
    context_tokens = 8192
    max_prompt_bytes = 1_000_000
    tokens_generated = 0
    stalled_s = 0.0
    blocker: str | None = None

    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces
        self.asked = self.forgotten = 0
        self.read = ""

    def needs_slot(self, query: Query) -> bool:
        return True

    async def count_tokens(self, text: str) -> int:
        return len(text.split())

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        return lambda: False

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Evidence | Piece | Completion, None]:
        self.asked += 1
        self.read = query.context
        for piece in self._pieces:
            yield Piece(piece)
        usage = Usage(prompt_tokens=1, completion_tokens=1)
        text = "".join(self._pieces)
        yield Completion(text=text, finish_reason="stop", usage=usage, prefill_ms=1, decode_ms=1)

    async def forget(self) -> None:
        self.forgotten += 1

    async def close(self) -> None:
        pass


class Asked(msgspec.Struct):
    evidence: list[str]
    pieces: list[str]
    end: Completion
    writer: Writer


async def ask(query: Query, *pieces: str, **grounding: object) -> Asked:
    writer = Writer(*(pieces or ("It is so.",)))
    grounded = Grounded(writer, Texts(lambda: None), Grounding(**grounding))  # type: ignore[arg-type]  # by name
    found: list[str] = []
    seen: list[str] = []
    async for event in grounded.generate(query, "http.me"):
        match event:
            case Evidence():
                found = [citation.quote for citation in event.found]
            case Piece():
                seen.append(event.text)
            case Completion():
                end = event
    await grounded.close()
    return Asked(found, seen, end, writer)


NOTICE = Query(query="How much notice must the tenant give?", context=LEASE)


async def test_a_quote_is_the_sentence_that_answers_and_no_model_is_asked() -> None:
    asked = await ask(msgspec.structs.replace(NOTICE, style="quote"))
    assert asked.end.text.startswith(
        "The tenant may end this lease at any time by giving two months' notice in writing."
    )
    assert asked.writer.asked == 0
    assert asked.end.grounds.answer_from == "quote"
    assert asked.end.usage == Usage(prompt_tokens=0, completion_tokens=0)


@pytest.mark.parametrize("style", ["quote", "write"])
async def test_each_citation_is_the_text_at_its_place(style: str) -> None:
    query = msgspec.structs.replace(NOTICE, style=style)
    asked = await ask(query, "The tenant must give two months' notice in writing.")
    assert asked.end.grounds.citations
    for citation in (*asked.end.grounds.citations, *asked.end.grounds.evidence):
        assert LEASE[citation.start : citation.end] == citation.quote


async def test_the_evidence_comes_before_the_first_piece() -> None:
    writer = Writer("Two months.")
    grounded = Grounded(writer, Texts(lambda: None), Grounding())
    events = [event async for event in grounded.generate(NOTICE, "http.me")]
    assert isinstance(events[0], Evidence)
    assert "two\nmonths' notice" in events[0].found[0].quote
    await grounded.close()


async def test_what_a_model_writes_is_cited_by_the_sentence_that_says_it() -> None:
    asked = await ask(NOTICE, "The tenant must give ", "two months' notice.", style="write")
    assert "".join(asked.pieces) == asked.end.text == "The tenant must give two months' notice."
    assert asked.end.grounds.answer_from == "model"
    assert "two\nmonths' notice" in asked.end.grounds.citations[0].quote
    assert asked.end.grounds.answerable is True


async def test_words_that_stand_nowhere_are_followed_by_the_quote() -> None:
    """What was sent is not taken back."""
    asked = await ask(NOTICE, "Bananas ripen quickly.", style="write")
    assert asked.end.grounds.answer_from == "both"
    assert asked.end.text.startswith("Bananas ripen quickly.\n\n")
    assert "two months' notice" in asked.end.text
    assert "".join(asked.pieces) == asked.end.text


async def test_a_written_answer_of_little_support_is_followed_by_the_quote_and_keeps_its_own_citations() -> None:
    asked = await ask(NOTICE, "Pets need the landlord's consent.", style="write")
    grounds = asked.end.grounds
    assert grounds.answer_from == "both"
    assert [cited.quote.split()[0] for cited in grounds.citations][:2] == ["Pets", "The"]
    assert asked.end.text.startswith("Pets need the landlord's consent.\n\nThe tenant may end this lease")
    assert grounds.support is not None
    assert grounds.support < 0.5


async def test_a_sentence_that_is_quoted_behind_a_written_answer_is_cited_once() -> None:
    asked = await ask(NOTICE, "Of the tenant, notice. The deposit is 1,900 euros.", style="write")
    cited = asked.end.grounds.citations
    assert asked.end.grounds.answer_from == "both"
    assert len({one.start for one in cited}) == len(cited)


async def test_an_answer_that_is_the_quote_itself_is_not_followed_by_it() -> None:
    asked = await ask(NOTICE, LEASE, style="write")
    assert asked.end.text == LEASE
    assert asked.end.grounds.answer_from == "model"


@pytest.mark.parametrize("style", ["quote", "write"])
async def test_what_is_refused_is_refused_before_its_first_token(style: Style) -> None:
    query = Query(query="Which orchestra played at the opera in Vienna?", context=LEASE, style=style)
    asked = await ask(query, abstain="refuse")
    assert asked.pieces == [asked.end.text] == [NOT_IN_THE_DOCUMENT]
    assert (asked.end.grounds.answerable, asked.end.grounds.citations) == (False, [])
    assert asked.writer.asked == 0


async def test_a_model_that_says_the_document_does_not_say_is_marked_and_cites_nothing() -> None:
    asked = await ask(NOTICE, "The document does not mention this.", style="write")
    assert asked.end.grounds.answerable is False
    assert asked.end.grounds.citations == []
    assert asked.end.grounds.support == 0


LONG = LEASE + "\n\n" + "\n\n".join(f"The cellar has {number} shelves. They are of oak." for number in range(40))
IN_LONG = msgspec.structs.replace(NOTICE, context=LONG, style="write")


async def test_a_model_reads_the_evidence_of_a_long_document_and_citations_count_in_the_whole() -> None:
    asked = await ask(IN_LONG, "It is two months' notice.", evidence_tokens=40)
    assert "two\nmonths' notice" in asked.writer.read
    assert len(asked.writer.read.split()) <= 40
    (cited,) = asked.end.grounds.citations
    assert LONG[cited.start : cited.end] == cited.quote


@pytest.mark.parametrize(
    ("query", "evidence_tokens"),
    [
        (IN_LONG, None),
        (IN_LONG, 10_000),
        (msgspec.structs.replace(IN_LONG, query="Summarize the document."), 40),
        (msgspec.structs.replace(IN_LONG, response_format=ResponseFormat(type="json_object")), 40),
    ],
)
async def test_the_whole_is_read_where_that_is_better_or_short_or_needed(
    query: Query, evidence_tokens: int | None
) -> None:
    assert (await ask(query, evidence_tokens=evidence_tokens)).writer.read == LONG


async def test_each_citation_has_its_place_in_what_the_model_wrote() -> None:
    asked = await ask(NOTICE, "It is so. The tenant gives two months' notice in writing.", style="write")
    (cited,) = asked.end.grounds.citations
    assert asked.end.grounds.answer_from == "model"
    assert asked.end.text[cited.answer_start : cited.answer_end] == "The tenant gives two months' notice in writing."


@pytest.mark.parametrize(("style", "said"), [("quote", ""), ("write", "Bananas ripen quickly.")])
async def test_each_quote_has_its_place_in_the_answer(style: str, said: str) -> None:
    asked = await ask(msgspec.structs.replace(NOTICE, style=style), said or "unasked")
    assert asked.end.grounds.citations
    for cited in asked.end.grounds.citations:
        assert asked.end.text[cited.answer_start : cited.answer_end] == " ".join(cited.quote.split())
    assert all(one.answer_start is None for one in asked.end.grounds.evidence)


async def test_auto_goes_by_what_was_measured_for_the_model() -> None:
    assert (await ask(NOTICE)).end.grounds.answer_from != "quote"
    assert (await ask(NOTICE, auto_quotes=True)).end.grounds.answer_from == "quote"
    assert (await ask(msgspec.structs.replace(NOTICE, style="write"), auto_quotes=True)).writer.asked == 1
    assert (await ask(NOTICE, style="quote")).end.grounds.answer_from == "quote"


async def test_a_summary_is_written_where_no_style_is_named() -> None:
    asked = await ask(Query(query="Summarize the document.", context=LEASE), auto_quotes=True)
    assert asked.writer.asked == 1


async def test_without_a_document_nothing_is_cited() -> None:
    asked = await ask(Query(query="Who are you?"), "A goblin.", auto_quotes=True)
    assert asked.evidence == []
    assert (
        asked.end.grounds
        == Completion(text="", finish_reason="stop", usage=Usage(0, 0), prefill_ms=0, decode_ms=0).grounds
    )


async def test_where_the_document_is_silent_the_answer_is_marked_refused_or_neither() -> None:
    query = Query(query="Which planets did Galileo observe in Padua?", context=LEASE, style="quote")
    assert (await ask(query)).end.grounds.answerable is False
    refused = (await ask(query, abstain="refuse")).end
    assert refused.text == NOT_IN_THE_DOCUMENT
    assert refused.grounds.citations == []
    assert (await ask(query, abstain="off")).end.grounds.answerable is None


async def test_only_questions_without_a_style_pass_an_engine_that_does_not_answer() -> None:
    passed = await ask(NOTICE, "one two", only_asked=True)
    assert passed.end.text == "one two"
    assert passed.evidence == []
    assert (
        await ask(msgspec.structs.replace(NOTICE, style="quote"), only_asked=True)
    ).end.grounds.answer_from == "quote"
