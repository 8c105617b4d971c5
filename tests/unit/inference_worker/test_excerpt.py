"""What a model reads of a document: the evidence with its neighbours, whole sentences, in the document's order."""

import msgspec
import pytest

from contract.evidence import SentenceIndex, split_sentences
from contract.messages import Query
from contract.settings import RedactionSettings
from inference_worker.answering.excerpt import excerpt, fitting, narrowing
from inference_worker.answering.found import cite_context, found_in
from inference_worker.answering.texts import Texts
from inference_worker.proxy.request import request_for

FILLER = "\n\n".join(f"Paragraph {number} speaks of the weather in the hills. It rained." for number in range(60))
LEASE = f"""{FILLER}

Notice

The lease may be ended by anna@hill-lettings.co.uk alone. She gives two months' notice in writing. Keys go back.

{FILLER}
"""
QUESTION = "How much notice is given in writing?"


def test_the_evidence_is_read_with_its_neighbours_and_its_heading_in_the_texts_order() -> None:
    index = SentenceIndex(LEASE, split_sentences(LEASE))
    found = found_in(index, QUESTION, None, cite_context(LEASE), 1)
    read = excerpt(found)
    assert (
        "The lease may be ended by anna@hill-lettings.co.uk alone. She gives two months' notice in writing. Keys"
        in read
    )
    assert len(read) < 300


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_only_whole_sentences_are_read_and_none_twice(limit: int) -> None:
    index = SentenceIndex(LEASE, split_sentences(LEASE))
    found = found_in(index, "What is said of the weather and of the keys?", None, cite_context(LEASE), limit)
    read = excerpt(found)
    known = [LEASE[one.start : one.end] for one in index.sentences]
    parts = [read[one.start : one.end] for one in split_sentences(read)]
    assert parts
    assert all(part in known for part in parts)


async def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("tokens", [4, 12, 20, 60, 200])
async def test_what_a_model_reads_has_no_more_tokens_than_it_may_and_no_part_of_a_sentence(tokens: int) -> None:
    index = SentenceIndex(LEASE, split_sentences(LEASE))
    found = found_in(index, QUESTION, None, cite_context(LEASE), 8)
    read = await fitting(found, tokens, words)
    best = LEASE[index.sentences[found.ranked[0].index].start : index.sentences[found.ranked[0].index].end]
    assert best in read.text
    assert await words(read.text) <= max(tokens, await words(f"Notice {best}"))
    known = [LEASE[one.start : one.end] for one in index.sentences]
    assert all(read.text[one.start : one.end] in known for one in split_sentences(read.text))
    assert read.sentences[0] == found.ranked[0].index
    assert {known[number] for number in read.sentences} >= {
        read.text[one.start : one.end] for one in split_sentences(read.text)
    } - {"Notice"}


async def test_a_text_that_is_no_longer_than_its_evidence_may_be_is_read_whole() -> None:
    index = SentenceIndex(LEASE, split_sentences(LEASE))
    found = found_in(index, QUESTION, None, cite_context(LEASE), 8)
    read = await fitting(found, 10_000, words)
    assert read.text == LEASE
    assert sorted(read.sentences) == list(range(len(index.sentences)))


async def test_a_question_that_needs_the_whole_document_gets_it() -> None:
    texts = Texts(lambda: None)
    narrow = narrowing(texts)
    whole = Query(query="Summarise this document.", context=LEASE)
    assert await narrow(whole) == whole
    short = Query(query=QUESTION, context="Two months' notice is given in writing.")
    assert await narrow(short) == short
    without = Query(query=QUESTION)
    assert await narrow(without) == without
    await texts.close()


async def test_what_leaves_the_machine_is_the_evidence_without_addresses() -> None:
    texts = Texts(lambda: None)
    query = await narrowing(texts)(Query(query=QUESTION, context=LEASE))
    await texts.close()
    sent = msgspec.json.encode(
        request_for(query, "m", "https://api", RedactionSettings().redactor_of_all_kinds()).asked
    )
    assert b"two months' notice in writing" in sent
    assert b"[REDACTED:email]" in sent
    assert b"hill-lettings" not in sent
    assert b"Paragraph 30" not in sent
