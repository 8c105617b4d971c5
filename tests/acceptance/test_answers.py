"""Answers that show where they stand, over HTTP with the bundled model behind."""

import asyncio

import pytest

from tests.acceptance.test_events import EVENTS, events_of
from tests.support.client import Client
from tests.support.stack import Stack, Start

pytestmark = pytest.mark.model

LEASE = (
    'Lease agreement. The rent is 950 euros a month. The key to the cellar is with password = "Tr0ub4dor&3x9Q".\n'
    "The tenant may end this lease at any time by giving two months' notice in writing."
)
QUESTION = "How much notice must the tenant give?"
SENTENCE = "The tenant may end this lease at any time by giving two months' notice in writing."


async def asked(client: Client, style: str, context: str = LEASE) -> dict[str, object]:
    response = await client.ask(QUESTION, context=context, style=style, max_tokens=48)
    assert response.status_code == 200, response.text
    body: dict[str, object] = response.json()
    return body


async def test_a_quote_answers_with_the_sentence_and_reads_no_token(model: Stack) -> None:
    async with model.client() as client:
        answer = await asked(client, "quote")
    assert answer["answer"] == SENTENCE
    assert (answer["answer_from"], answer["answerable"]) == ("quote", True)
    assert answer["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "cached_tokens": 0}


@pytest.mark.parametrize("style", ["quote", "write"])
async def test_citations_are_spans_of_the_sanitized_context(model: Stack, style: str) -> None:
    """Redaction moves sentences: offsets count in the text that the model read."""
    sanitized = LEASE.replace("Tr0ub4dor&3x9Q", "[REDACTED:password]")
    async with model.client() as client:
        answer = await asked(client, style)
    citations, evidence = answer["citations"], answer["evidence"]
    assert isinstance(citations, list)
    assert isinstance(evidence, list)
    assert citations
    for found in (*citations, *evidence):
        assert sanitized[found["start"] : found["end"]] == found["quote"]


async def test_the_evidence_is_the_first_event_of_a_stream(model: Stack) -> None:
    body = {"query": QUESTION, "context": LEASE, "style": "write", "max_tokens": 8}
    async with (
        model.client() as client,
        client.http.stream("POST", "/api/query", json=body, headers=EVENTS) as response,
    ):
        events = [event async for event in events_of(response)]
    assert [events[0][0], events[1][0], events[-1][0]] == ["evidence", "token", "result"]
    assert events[0][1]["evidence"][0]["quote"] == SENTENCE


async def test_a_quote_waits_for_no_slot_of_the_model(model: Stack) -> None:
    """All slots write long stories meanwhile."""
    async with model.client() as client:
        stories = [await client.submit("Tell a long story about a goblin.", max_tokens=400) for _ in range(4)]
        answer = await asked(client, "quote")
        states = [(await client.job(story))["status"] for story in stories]
        for story in stories:
            await client.http.delete(f"/api/jobs/{story}")
    assert answer["answer_from"] == "quote"
    assert "done" not in states


async def test_refused_is_refused_in_an_answer_and_in_a_stream_and_what_is_there_is_answered(start: Start) -> None:
    stack = await asyncio.to_thread(start, environment={"DOCQA_ABSTAIN": "refuse"})
    silent = {"query": "Which orchestra played at the opera in Vienna?", "context": LEASE, "style": "write"}
    async with stack.client() as client:
        plain = (await client.http.post("/api/query", json=silent)).json()
        async with client.http.stream("POST", "/api/query", json=silent, headers=EVENTS) as response:
            events = [event async for event in events_of(response)]
        known = await asked(client, "quote")
    said = "".join(data["text"] for name, data in events if name == "token")
    assert said == plain["answer"] == events[-1][1]["answer"] == "The document does not seem to say this."
    assert (plain["answerable"], plain["citations"]) == (False, [])
    assert known["answer"] == SENTENCE
