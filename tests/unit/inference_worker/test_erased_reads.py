"""A document that is erased while answers read it: they break off, and what was read of it is forgotten."""

from collections.abc import AsyncGenerator

import pytest

from contract.errors import DocumentRefusedError
from contract.evidence import SentenceIndex, split_sentences
from contract.messages import Query
from inference_worker.answering.found import Found, cite_context, found_in
from inference_worker.answering.grounded import Grounded, Grounding
from inference_worker.answering.texts import Texts
from inference_worker.engines.base import Completion, Evidence, Piece
from tests.unit.inference_worker.test_grounded import LEASE, Writer

DOCUMENT = "6b6f1688-7735-8854-b674-bc73a160b22e"
OTHER = "00000000-0000-8000-8000-000000000000"
QUERY = Query(query="How much notice must the tenant give?", documents=[DOCUMENT], style="write")


class Shelf:
    """A library with one document; `on_find` happens while it is asked."""

    def __init__(self) -> None:
        self.on_find: object = None

    async def find(self, query: Query, owner: str) -> Found:
        if isinstance(self.on_find, Grounded):
            await self.on_find.erase(DOCUMENT)
        index = SentenceIndex(LEASE, split_sentences(LEASE))
        return found_in(index, query.query, None, cite_context(LEASE), 8)._replace(documents=frozenset({DOCUMENT}))


def grounded(shelf: Shelf, writer: Writer) -> Grounded:
    return Grounded(writer, Texts(lambda: None), Grounding(), shelf)  # type: ignore[arg-type]  # a shelf finds


async def rest(events: AsyncGenerator[Evidence | Piece | Completion, None]) -> list[object]:
    return [event async for event in events]


async def test_an_answer_that_reads_it_breaks_off_and_the_model_forgets() -> None:
    writer = Writer("Two ", "months.")
    engine = grounded(Shelf(), writer)
    events = engine.generate(QUERY, "http.me")
    assert isinstance(await anext(events), Evidence)
    assert isinstance(await anext(events), Piece)
    await engine.erase(OTHER)
    assert writer.forgotten == 0
    await engine.erase(DOCUMENT)
    assert writer.forgotten == 1
    with pytest.raises(DocumentRefusedError) as refused:
        await rest(events)
    assert refused.value.code == "document-gone"
    await engine.close()


async def test_one_that_is_erased_while_it_is_being_found_is_not_read() -> None:
    shelf, writer = Shelf(), Writer("Two months.")
    engine = grounded(shelf, writer)
    shelf.on_find = engine
    with pytest.raises(DocumentRefusedError):
        await rest(engine.generate(QUERY, "http.me"))
    assert writer.asked == 0
    await engine.close()


async def test_an_answer_names_what_was_read_for_it_even_where_it_cites_nothing() -> None:
    engine = grounded(Shelf(), Writer("I do not know."))
    *_, end = await rest(engine.generate(QUERY, "http.me"))
    assert isinstance(end, Completion)
    assert end.grounds.documents == [DOCUMENT]
    await engine.close()


async def test_what_was_read_before_is_forgotten_and_what_never_was_costs_nothing() -> None:
    writer = Writer("Two months.")
    engine = grounded(Shelf(), writer)
    await engine.erase(DOCUMENT)
    assert writer.forgotten == 0
    await rest(engine.generate(QUERY, "http.me"))
    await engine.erase(DOCUMENT)
    await engine.erase(DOCUMENT)
    assert writer.forgotten == 1
    await engine.close()
