"""What an entry point records in a query, for every reply that a client may get."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import click
import pytest

from bench.cli import delay_range
from bench.harness.clock import Clock
from bench.harness.entry_points import HttpEntryPoint, OpenAIEntryPoint
from bench.harness.http_client import Response
from bench.harness.promises import refused_at_once, retry_after, says_when
from bench.harness.query import NO_RESPONSE, Query, Refusal
from bench.harness.run import Run, RunOptions
from bench.harness.sampler import Depth

BODY = b'{"query":"How much notice?"}'


def response(head: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def stream(*events: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n"


async def told(socket: Path, *replies: bytes, patiently: bool = False, **door: Any) -> Query:
    """A query after its tries, each of which got the next reply."""
    left = list(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(BODY))
        writer.write(left.pop(0).replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_unix_server(serve, socket)
    way = HttpEntryPoint(str(socket), "run", **door)
    run = Run(RunOptions(), [way], None, None, str(socket))  # type: ignore[arg-type]  # no result is looked up
    run.rng = random.Random(0)
    run._workload.body = lambda number: BODY  # type: ignore[method-assign]
    query = run.new_query(0, 0.0)
    await (run.try_patiently(query) if patiently else run.try_once(query))
    listening.close()
    await asyncio.sleep(0)
    return query


async def test_an_answer_counts_as_accepted_when_it_says_that_it_was(tmp_path: Path) -> None:
    body = b'{"id":"x","answer":"six months","usage":{"completion_tokens":2},"timings":{"total_ms":0.01}}'
    query = await told(tmp_path / "s", response("200 OK", body))
    assert (query.status, query.answer, query.tokens, query.job_id) == (200, "six months", 2, "x")
    assert query.was_accepted
    assert query.accepted_s is not None
    assert query.sent_s <= query.accepted_s <= query.ended_s


async def test_a_refusal_is_kept_with_its_retry_after(tmp_path: Path) -> None:
    query = await told(tmp_path / "s", response("429 Too Many Requests\r\nRetry-After: 7", b'{"type":"/p/queue-full"}'))
    assert not query.was_accepted
    assert not query.was_uncertain
    assert query.problem == "queue-full"
    assert [(refusal.status, refusal.retry_after_s) for refusal in query.refusals] == [(429, 7)]


async def test_a_patient_client_comes_back_after_the_time_that_it_was_told(tmp_path: Path) -> None:
    refused = response("429 Too Many Requests\r\nRetry-After: 1", b"{}")
    query = await told(tmp_path / "s", refused, response("202 Accepted", b'{"id":"x"}'), patiently=True)
    assert (query.status, query.tries, len(query.refusals)) == (202, 2, 1)
    assert query.latency_s >= 1
    assert query.was_accepted


async def test_an_unknown_outcome_is_no_refusal(tmp_path: Path) -> None:
    query = await told(tmp_path / "s", response("503 Service Unavailable\r\nLocation: /api/jobs/x", b"{}"))
    assert (query.status, query.refusals) == (NO_RESPONSE, [])
    assert query.was_uncertain


async def test_an_internal_error_says_nothing_about_the_job_and_a_failure_says_that_it_was_accepted(
    tmp_path: Path,
) -> None:
    broke = await told(tmp_path / "a", response("500 Oops", b'{"type":"urn:docqa:internal-error"}'))
    assert broke.was_uncertain
    assert not broke.was_accepted
    late = await told(tmp_path / "b", response("504 Late", b'{"type":"urn:docqa:deadline-exceeded"}'))
    assert late.was_accepted


async def test_events_give_the_time_to_the_first_token_and_the_result(tmp_path: Path) -> None:
    events = (
        b": accepted x\n\n",
        b'event: token\ndata: {"text":"six"}\n\n',
        b'event: result\ndata: {"id":"x","answer":"six","usage":{"completion_tokens":1}}\n\n',
    )
    query = await told(tmp_path / "s", stream(*events), events=True)
    assert (query.status, query.answer) == (200, "six")
    assert query.first_token_s is not None
    assert query.accepted_s is not None
    assert query.first_token_s <= query.latency_s


async def test_a_stream_that_ends_with_an_error_is_a_failure_of_an_accepted_job(tmp_path: Path) -> None:
    query = await told(tmp_path / "s", stream(b": accepted\n\n", b'event: error\ndata: {"code":"engine-error"}\n\n'))
    assert (query.status, query.problem) == (500, "engine-error")
    assert query.was_accepted


def test_retry_after_is_held_against_the_moment_at_which_a_place_was_free() -> None:
    query = HttpEntryPoint("/s", "run").new(0, 0.0)
    query.refusals = [Refusal(1.0, 0.01, 429, 5), Refusal(8.0, 0.01, 429, 1)]
    depths = [Depth(0.9, 10, 8, 10), Depth(3.0, 9, 8, 10), Depth(8.1, 10, 8, 10), Depth(11.0, 7, 7, 10)]
    found = retry_after([query], depths)
    assert found["count"] == 2
    assert found["a_place_was_free_by_then"] == 0.5
    assert found["free_after_s"]["max"] == 3.0


def test_a_refusal_without_a_time_to_come_back_breaks_its_promise() -> None:
    query = HttpEntryPoint("/s", "run").new(0, 0.0)
    query.refusals = [Refusal(1.0, 0.01, 429, None)]
    assert [promise.held for promise in says_when([query])] == [False]


def test_a_refusal_that_took_as_long_as_a_job_waited_in_a_hidden_queue() -> None:
    hidden, bar = refused_at_once([Refusal(3.0, 2.5, 429, 5)], job_s=2.0)
    assert (hidden.held, hidden.is_bar) == (False, False)
    assert (bar.held, bar.is_bar) == (False, True)


def test_a_range_of_delays_is_four_workers() -> None:
    assert delay_range("2") == (2,)
    assert delay_range("2..5") == (2, 3, 4, 5)


@pytest.mark.parametrize("text", ["", "5..2", "a..b", "-1"])
def test_what_is_no_delay_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        delay_range(text)


def test_time_runs_from_the_start_of_a_run() -> None:
    assert 0 <= Clock().now_s() < 1


def test_a_completion_says_what_a_question_would_have_been_answered() -> None:
    message = {"content": "Six months.\n\nThe documents don't seem to say this.\n\nSources:\n[1] a.txt"}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    completion = {"id": "chatcmpl-x", "choices": [{"message": message}], "usage": usage}
    entry = OpenAIEntryPoint("/socket", "run")
    plain = json.loads(entry._understood(Response(200, {}, json.dumps(completion).encode())).body)
    assert (plain["id"], plain["answer"], plain["usage"]["cached_tokens"]) == ("x", "Six months.", 4)
    refused = Response(429, {}, b'{"error": {"code": "rate_limit_exceeded", "kind": "queue-full"}}')
    assert json.loads(entry._understood(refused).body) == {"type": "queue-full"}
