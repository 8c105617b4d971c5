"""A thousand malformed messages on the subject of jobs."""

import asyncio
import collections
import os
import random

import nats.errors
import pytest
from nats.js.errors import APIError

from contract.bus import Bus
from contract.messages import Answer, Failure
from inference_worker.jobs.letter_limit import PER_HOUR
from tests.support.ledger import answered, dead_letters, queue_is_empty, stored_results
from tests.support.malformed import Malformed, malformed_messages
from tests.support.stack import Start

COUNT = 1000
IN_FLIGHT = 8


@pytest.mark.slow
async def test_a_thousand_malformed_messages_end_as_dead_letters_and_the_worker_lives(start: Start) -> None:
    """A full queue is waited out: the capacity that malformed messages take must come back by itself."""
    seed = os.environ.get("ACCEPTANCE_SEED") or str(random.randrange(10**9))
    print(f"ACCEPTANCE_SEED={seed}")  # noqa: T201 - a failed run is repeated with it
    stack = start(queue_size=200, slots=4)
    worker = stack.pid("worker")
    messages = list(malformed_messages(random.Random(seed), COUNT))
    async with stack.bus() as bus, stack.client() as client:
        stored = await _publish_all(bus, messages)
        await queue_is_empty(bus)
        results = await stored_results(bus)
        letters = await dead_letters(bus)
        reply = await client.ask("Is anybody there?")
        health = await client.health()

    assert stack.pid("worker") == worker
    assert reply.status_code == 200
    assert (health["status"], health["queue_depth"]) == ("healthy", 0)
    assert len(stored) > COUNT * 0.9

    named = {message.subject.rsplit(".", 1)[1]: message for message in stored if message.has_name}
    assert results.keys() == named.keys()
    for job_id, result in results.items():
        certain = named[job_id].is_certain
        assert isinstance(result, Failure) or not certain, f"answered: {named[job_id].body[:200]!r}"
        assert isinstance(result, Answer) or result.code == "bad-message"

    assert {subject.split(".")[2] for subject, _ in letters} == {"bad-message", "bad-name"}
    kept = collections.Counter(letter.subject for _, letter in letters)
    assert set(kept.values()) == {1}
    owed = collections.Counter(publisher_of(message.subject) for message in stored if message.is_certain)
    by_publisher = collections.Counter(map(publisher_of, kept))
    assert max(by_publisher.values()) <= PER_HOUR
    assert all(by_publisher[publisher] >= min(count, PER_HOUR) for publisher, count in owed.items())
    assert all(letter.query is None and letter.sha256 for _, letter in letters if letter.subject in named)


async def test_a_malformed_message_takes_no_neighbour_with_it(start: Start) -> None:
    """Good questions between bad ones are answered."""
    stack = start(queue_size=50, slots=4)
    async with stack.bus() as bus, stack.client() as client:
        ids = set()
        for message in malformed_messages(random.Random(7), 30):
            await _publish(bus, message)
            ids.add(await client.submit("Who stands between?"))
        await queue_is_empty(bus)
        answered(await stored_results(bus), ids)


def publisher_of(subject: str) -> str:
    return subject.split(".")[2]


async def _publish_all(bus: Bus, messages: list[Malformed]) -> list[Malformed]:
    """Those that the bus stored."""
    waiting = iter(messages)
    stored: list[Malformed] = []

    async def publish_some() -> None:
        for message in waiting:
            if await _publish(bus, message):
                stored.append(message)

    await asyncio.gather(*(publish_some() for _ in range(IN_FLIGHT)))
    return stored


async def _publish(bus: Bus, message: Malformed) -> bool:
    """True when stored, False when refused for what it is; a full queue is waited out."""
    while True:
        try:
            await bus.js.publish(message.subject, message.body)
        except APIError as error:
            if "maximum messages exceeded" not in (error.description or ""):
                return False
            await asyncio.sleep(0.05)
        except (nats.errors.MaxPayloadError, nats.errors.BadSubjectError):
            return False
        else:
            return True
