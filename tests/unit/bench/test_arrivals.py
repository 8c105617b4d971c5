"""The generator is honest: what it plans, how it counts, and what a stalled system looks like in its figures."""

import asyncio
import contextlib
import itertools
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.harness import arrivals
from bench.harness.clock import Clock
from bench.harness.entry_points import HttpEntryPoint
from bench.harness.errors import BenchError
from bench.harness.latency import Latencies
from bench.harness.query import Query
from bench.harness.workload import Workload, load

STALL_S = 1.0
ANSWER = b'{"id":"","answer":"yes","usage":{"completion_tokens":1}}'


@contextlib.asynccontextmanager
async def server(socket: Path, stalls: tuple[float, float] | None = None) -> AsyncIterator[None]:
    """Answers at once, except between two moments after its start."""
    clock = Clock()
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                if stalls and stalls[0] <= clock.now_s() < stalls[1]:
                    await clock.until(stalls[1])
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER))
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_unix_server(serve, socket)
    yield
    listening.close()
    await asyncio.gather(*(task for task in serving if task))


async def ask_at(moments: list[float], socket: Path) -> list[Query]:
    """Ask at these moments; what became of it."""
    clock, door, workload, queries = Clock(), HttpEntryPoint(str(socket), "run"), load(None), []

    async def send(number: int, planned_s: float) -> None:
        query = door.new(number, planned_s)
        queries.append(query)
        await door.ask(query, workload.body(number), clock)

    await arrivals.open_loop(moments, send, clock)
    door.close()
    await asyncio.sleep(0)  # the transports close in the next turn of the loop
    return queries


async def test_a_stall_of_a_second_shows_in_full_in_the_percentiles(tmp_path: Path) -> None:
    """100 arrivals a second for 2 s, the server silent for 1 s: half of all arrivals meet it, evenly spread over it."""
    async with server(tmp_path / "s", stalls=(0.5, 0.5 + STALL_S)):
        queries = await ask_at(list(arrivals.evenly(100, 2)), tmp_path / "s")
    assert len(queries) == 200
    took = Latencies(query.latency_s for query in queries)
    assert took.percentile_ms(100) >= 950
    # A generator that waited for the stall to end would show one slow query, and a p75 of a millisecond.
    assert took.percentile_ms(75) >= 400
    assert sum(query.latency_s >= 0.1 for query in queries) >= 80


async def test_latency_counts_from_the_planned_arrival_not_from_the_moment_of_sending(tmp_path: Path) -> None:
    async with server(tmp_path / "s"):
        [query] = await ask_at([-0.7], tmp_path / "s")
    assert query.latency_s >= 0.7
    assert query.ended_s - query.sent_s < query.latency_s


async def test_a_closed_loop_sends_all_and_never_more_at_once_than_it_has_clients() -> None:
    now, most, seen = 0, 0, []

    async def send(number: int, planned_s: float) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        seen.append(number)
        await asyncio.sleep(0)
        now -= 1

    assert await arrivals.closed_loop(25, 4, send, Clock(), first=100) == 25
    assert sorted(seen) == list(range(100, 125))
    assert most == 4


async def test_a_broken_connection_is_no_word_and_nothing_is_sent_again(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_unix_server(hang_up, tmp_path / "s")
    [query] = await ask_at([0], tmp_path / "s")
    listening.close()
    assert (query.status, query.tries) == (0, 1)
    assert query.was_uncertain
    assert not query.was_accepted


def test_poisson_arrivals_have_their_rate_and_are_not_even() -> None:
    moments = list(arrivals.poisson(50, 100, random.Random(1)))
    assert 4600 < len(moments) < 5400
    gaps = [second - first for first, second in itertools.pairwise(moments)]
    assert min(gaps) < 0.001
    assert max(gaps) > 0.08


def test_a_burst_is_all_at_one_moment() -> None:
    assert list(arrivals.bursts(3, 2, 10)) == [0, 0, 0, 10, 10, 10]


def test_percentiles_have_three_digits_and_histograms_none_for_nothing() -> None:
    took = Latencies(number / 1000 for number in range(1, 10_001))
    assert took.percentile_ms(50) == pytest.approx(5000, rel=0.001)
    assert took.percentile_ms(99.9) == pytest.approx(9990, rel=0.001)
    assert Latencies().summary()["max_ms"] == 0


def test_questions_of_a_squad_file_are_asked_with_their_paragraphs(tmp_path: Path) -> None:
    paragraph = {"context": "It is blue.", "qas": [{"question": "Which colour?"}, {"question": "Is it red?"}]}
    (tmp_path / "squad.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    workload = load(tmp_path / "squad.json", max_tokens=7)
    assert json.loads(workload.body(3)) == {"query": "Is it red?", "context": "It is blue.", "max_tokens": 7}


@pytest.mark.parametrize("text", ["{}", "[]", '{"data": [{}]}', "no json"])
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(BenchError, match="SQuAD"):
        load(tmp_path / "other.json")


def test_a_missing_file_and_an_empty_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="Cannot read"):
        load(tmp_path / "none.json")
    with pytest.raises(BenchError, match="no question"):
        Workload([])
