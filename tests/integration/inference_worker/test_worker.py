"""One job from its delivery to its ack, on a real bus, with engines that the test commands."""

import asyncio
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from contract import topology
from contract.bus import Bus
from contract.bus.provision import provision
from contract.messages import (
    Answer,
    DeadLetter,
    Failure,
    Query,
    Result,
    TokenEvent,
    body_hash,
    decode_result,
    encode,
)
from contract.settings import QueueSettings
from contract.topology import JobName
from inference_worker.engines.echo import EchoEngine
from inference_worker.jobs import consumer as consumer_module
from inference_worker.jobs import outbox as replier_module
from inference_worker.jobs import worker as worker_module
from inference_worker.jobs.attempts import Starts
from inference_worker.jobs.fair_queue import QUANTUM_TOKENS, Claim
from inference_worker.jobs.worker import Worker
from tests.support.bus_side import (
    TICK_S,
    count,
    dead_letters,
    fill_results,
    is_gone,
    new_job,
    overheard,
    publish,
    result_of,
    settled,
    starts_are_forgotten,
)
from tests.support.engines import (
    Broken,
    Endless,
    Failing,
    FailingQuote,
    Gated,
    Narrow,
    Noting,
    Quoting,
    Remembering,
    Stumbling,
    Unfinished,
)
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually
from tests.support.worker_side import asked, working

AT_ONCE_S = 0.5
LONG_S = 30.0
AWS_KEY = "AKIA" + "Z7QJ3MNBVC2XK5LP"


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "RETRY_DELAY_S", 0.02)
    monkeypatch.setattr(worker_module, "NEWER_VERSION_DELAY_S", 0.02)
    monkeypatch.setattr(consumer_module, "BACK_OFF_S", 0.02)
    monkeypatch.setattr(replier_module, "LONGEST_RETRY_S", 0.1)


async def was_started(bus: Bus, job: JobName, times: int) -> None:
    """Have the job look as if it had been started so often."""
    for _ in range(times):
        await Starts(bus.starts).add(job)


async def only_letter(bus: Bus) -> tuple[str, DeadLetter]:
    [(subject, letter)] = (await dead_letters(bus)).items()
    return subject, letter


async def all_is_clean(bus: Bus, job: JobName) -> None:
    """The job is off the stream, its starts are forgotten, and its one result was written once."""
    await is_gone(bus, job)
    await starts_are_forgotten(bus)
    state = (await bus.js.stream_info(f"KV_{topology.RESULTS_BUCKET}")).state
    assert (state.messages, state.last_seq) == (1, 1)


def failure_of(result: Result) -> Failure:
    assert isinstance(result, Failure), result
    return result


async def test_an_answer_is_stored_told_and_acked(server: RunningServer, admin: Bus) -> None:
    job = new_job()
    async with overheard(admin, job.results_subject) as heard, working(server, EchoEngine(2)):
        await publish(admin, "Who is there?", job, context="Nobody.")
        result = await result_of(admin, job)
        await all_is_clean(admin, job)
    assert isinstance(result, Answer)
    assert (result.id, result.answer, result.model, result.finish_reason) == (
        job.job_id,
        "Who is there?",
        "echo",
        "stop",
    )
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (4, 3)
    assert result.timings.total_ms >= result.timings.queued_ms >= 0
    assert result.body_sha256 == body_hash(encode(Query(query="Who is there?", context="Nobody.")))
    assert [decode_result(message.data) for message in heard] == [result]


async def test_pieces_are_told_as_they_come_with_their_attempt_and_index(server: RunningServer, admin: Bus) -> None:
    job = new_job()
    async with overheard(admin, job.tokens_subject) as heard, working(server, Stumbling()):
        await publish(admin, "Who is there?", job)
        await result_of(admin, job)
    events = [msgspec.json.decode(message.data, type=TokenEvent) for message in heard]
    assert [(event.attempt, event.index, event.text) for event in events] == [
        (1, 0, "Wrong"),
        (2, 0, "Who"),
        (2, 1, " is"),
        (2, 2, " there?"),
    ]


async def test_the_engine_is_told_whose_query_it_is(server: RunningServer, admin: Bus) -> None:
    engine = Noting()
    async with working(server, engine):
        await result_of(admin, await publish(admin, job=new_job("bob", "c7")))
    assert engine.owners == ["bob.c7"]


async def test_as_many_jobs_run_together_as_the_engine_has_slots(server: RunningServer, admin: Bus) -> None:
    engine = Gated(slots=3)
    async with working(server, engine) as worker:
        jobs = [await publish(admin) for _ in range(8)]
        await asked(engine, 3)

        async def holds_a_look_ahead() -> bool:
            return worker.held == 6

        await eventually(holds_a_look_ahead, "as many again are held", 15, TICK_S)
        assert (worker.busy, len(engine.asked)) == (3, 3)
        engine.gate.set()
        for job in jobs:
            assert isinstance(await result_of(admin, job), Answer)


def entries(worker: Worker) -> list[Claim]:
    """Whose job entered the batch, in that order."""
    entered: list[Claim] = []
    enter = worker._slots.enter

    async def noting(claim: Claim) -> bool:
        has_waited = await enter(claim)
        entered.append(claim)
        return has_waited

    worker._slots.enter = noting  # type: ignore[method-assign]
    return entered


async def test_clients_take_turns_among_the_jobs_that_are_held(server: RunningServer, admin: Bus) -> None:
    engine = Gated(slots=3)
    async with working(server, engine) as worker:
        entered = entries(worker)
        for _ in range(engine.slots):
            await publish(admin)
        await asked(engine, engine.slots)
        jobs = []
        for client in ("eager", "eager", "late"):
            jobs.append(await publish(admin, job=new_job(client=client), max_tokens=QUANTUM_TOKENS - 1))

            async def waits() -> bool:
                return len(worker._slots._waiting) == len(jobs)

            await eventually(waits, "it waits for its place", 15, TICK_S)
        engine.gate.set()
        for job in jobs:
            assert isinstance(await result_of(admin, job), Answer)
    assert [claim.owner for claim in entered[engine.slots :]] == ["alice.eager", "alice.late", "alice.eager"]


async def test_what_a_job_claims_is_its_own(server: RunningServer, admin: Bus) -> None:
    engine, suspect = Remembering(), new_job("bob", "c7")
    await was_started(admin, suspect, 1)
    async with working(server, engine) as worker:
        entered = entries(worker)
        await result_of(admin, await publish(admin, "Who?", suspect, context="x" * 4000, max_tokens=9))
        await result_of(admin, await publish(admin, "Who?"))
    first, second = entered
    assert (first.owner, first.cost_tokens, first.company == 1) == ("bob.c7", 1010, True)
    assert (second.owner, second.company == 1) == ("alice.c1", False)
    assert (first.is_warm(), second.is_warm()) == (True, False)


async def test_an_engine_that_fails_is_asked_again(server: RunningServer, admin: Bus) -> None:
    engine = Failing(times=2)
    async with working(server, engine):
        job = await publish(admin)
        assert isinstance(await result_of(admin, job), Answer)
        await all_is_clean(admin, job)
    assert len(engine.asked) == 3
    assert await dead_letters(admin) == {}


async def test_a_job_that_fails_at_each_of_its_attempts_is_buried(server: RunningServer, admin: Bus) -> None:
    engine = Failing(times=99)
    async with working(server, engine):
        job = await publish(admin, "Who?")
        failure = failure_of(await result_of(admin, job))
        await all_is_clean(admin, job)
    assert (failure.code, failure.attempts, failure.dead_letter) == ("engine-error", 3, True)
    assert failure.detail == "The model stumbled."
    assert len(engine.asked) == 3
    subject, letter = await only_letter(admin)
    assert subject == f"docqa.dead.engine-error.{job.job_id}"
    assert (letter.subject, letter.reason, letter.attempts) == (job.subject, "engine-error", 3)
    assert letter.query == Query(query="Who?")


async def test_a_job_that_was_started_often_enough_is_buried_without_another_start(
    server: RunningServer, admin: Bus
) -> None:
    """It may have killed the process each time."""
    engine, job = Noting(), new_job()
    await was_started(admin, job, 3)
    async with working(server, engine):
        await publish(admin, "Who?", job)
        failure = failure_of(await result_of(admin, job))
        await all_is_clean(admin, job)
    assert (failure.code, failure.attempts, failure.dead_letter) == ("attempts-exhausted", 3, True)
    assert engine.asked == []
    subject, letter = await only_letter(admin)
    assert subject == f"docqa.dead.attempts-exhausted.{job.job_id}"
    assert letter.query == Query(query="Who?")


async def test_a_defect_in_the_engine_is_an_attempt_too(server: RunningServer, admin: Bus) -> None:
    engine = Failing(times=99, error=ZeroDivisionError())
    async with working(server, engine, max_attempts=2):
        job = await publish(admin)
        failure = failure_of(await result_of(admin, job))
        await all_is_clean(admin, job)
    assert (failure.code, failure.attempts) == ("attempts-exhausted", 2)
    assert len(engine.asked) == 2


async def test_an_engine_that_ends_without_a_completion_has_failed(server: RunningServer, admin: Bus) -> None:
    async with working(server, Unfinished(), max_attempts=1):
        failure = failure_of(await result_of(admin, await publish(admin)))
    assert failure.code == "engine-error"


async def test_a_suspect_runs_only_when_nothing_else_does(server: RunningServer, admin: Bus) -> None:
    engine, suspect = Gated(slots=4), new_job()
    await was_started(admin, suspect, 1)
    async with working(server, engine) as worker:
        await publish(admin, "neighbour")
        await asked(engine, 1)
        await publish(admin, "suspect", suspect)
        later = await publish(admin, "later")

        async def holds_all() -> bool:
            return worker.held == 3

        await eventually(holds_all, "all three are held", 15, TICK_S)
        assert engine.questions == ["neighbour"]
        engine.gate.set()
        assert isinstance(await result_of(admin, suspect), Answer)
        assert isinstance(await result_of(admin, later), Answer)
    assert engine.questions == ["neighbour", "suspect", "later"]


async def test_a_job_that_has_its_result_is_told_it_again_and_not_run(server: RunningServer, admin: Bus) -> None:
    engine, job = Noting(), new_job()
    stands = Failure(id=job.job_id, code="cancelled", detail="It was.")
    await admin.results.create(job.key, encode(stands))
    await was_started(admin, job, 1)
    async with overheard(admin, job.results_subject) as heard, working(server, engine):
        await publish(admin, job=job)
        await all_is_clean(admin, job)
    assert [decode_result(message.data) for message in heard] == [stands]
    assert engine.asked == []


async def test_a_result_that_was_stored_while_the_job_ran_stands(server: RunningServer, admin: Bus) -> None:
    engine, job = Gated(), new_job()
    stands = Failure(id=job.job_id, code="deadline-exceeded", detail="It did.")
    async with overheard(admin, job.results_subject) as heard, working(server, engine):
        await publish(admin, job=job)
        await asked(engine)
        await admin.results.create(job.key, encode(stands))
        engine.gate.set()
        await all_is_clean(admin, job)
    assert [decode_result(message.data) for message in heard] == [stands]


async def test_a_result_that_was_stored_while_the_job_waited_for_a_place_saves_its_start(
    server: RunningServer, admin: Bus
) -> None:
    engine = Gated(slots=1)
    async with working(server, engine) as worker:
        await publish(admin, "first")
        await asked(engine)
        job = await publish(admin, "second")

        async def holds_both() -> bool:
            return worker.held == 2

        await eventually(holds_both, "both are held", 15, TICK_S)
        await admin.results.create(job.key, encode(Failure(id=job.job_id, code="cancelled", detail="It was.")))
        engine.gate.set()
        await is_gone(admin, job)
    assert engine.questions == ["first"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"query":5}', b'{"query":" "}', b"\xff", b"[" * 100_000, b'{"v":0,"query":"Who?"}'],
    ids=["empty", "cut", "array", "type", "blank", "binary", "deep", "version"],
)
async def test_a_message_that_is_no_query_is_buried_with_its_size_and_hash_only(
    server: RunningServer, admin: Bus, body: bytes
) -> None:
    job = new_job()
    async with working(server, Noting()):
        await admin.publish_job(job, body, {})
        failure = failure_of(await result_of(admin, job))
        await all_is_clean(admin, job)
    assert (failure.code, failure.attempts, failure.dead_letter) == ("bad-message", 0, True)
    subject, letter = await only_letter(admin)
    assert subject == f"docqa.dead.bad-message.{job.job_id}"
    assert (letter.query, letter.size_bytes, letter.sha256) == (None, len(body), body_hash(body))


@pytest.mark.parametrize("name", ["Alice.c1.{}", "alice.c$.{}", "alice.c1.x{}", "alice.c1.*{}", "al\u00efce.c1.{}"])
async def test_a_message_under_a_bad_name_is_buried_and_has_no_result(
    server: RunningServer, admin: Bus, name: str
) -> None:
    subject = f"docqa.jobs.{name.format(new_job().job_id)}"
    engine = Noting()
    async with working(server, engine):
        await admin.js.publish(subject, encode(Query(query="Who?")))

        async def is_empty() -> bool:
            return await count(admin, topology.JOBS_STREAM) == 0

        await eventually(is_empty, "the stream is empty", 15, TICK_S)
    assert engine.asked == []
    assert await count(admin, f"KV_{topology.RESULTS_BUCKET}") == 0
    dead_subject, letter = await only_letter(admin)
    assert dead_subject.startswith("docqa.dead.bad-name.")
    assert (letter.subject, letter.query) == (subject, None)


async def test_a_newer_message_is_given_back_and_not_counted_as_an_attempt(server: RunningServer, admin: Bus) -> None:
    engine, job = Noting(), new_job()
    async with working(server, engine, max_attempts=1):
        await admin.publish_job(job, b'{"v":99,"question":"Who?"}', {})

        async def came_often() -> bool:
            info = await admin.js.consumer_info(topology.JOBS_STREAM, topology.WORKER_DURABLE)
            return bool(info.delivered and info.delivered.consumer_seq > 3)

        await eventually(came_often, "it is delivered again and again", 15, TICK_S)
        assert await admin.find_job(job)
        assert await count(admin, f"KV_{topology.STARTS_BUCKET}") == 0
    assert engine.asked == []
    assert await admin.results.get(job.key) is None


async def test_a_prompt_that_does_not_fit_is_a_failure_with_both_sizes_and_no_dead_letter(
    server: RunningServer, admin: Bus
) -> None:
    engine = Narrow()
    async with working(server, engine):
        job = await publish(admin)
        failure = failure_of(await result_of(admin, job))
        await all_is_clean(admin, job)
    assert (failure.code, failure.prompt_tokens, failure.limit_tokens, failure.cut_chars) == (
        "prompt-too-long",
        9000,
        8000,
        4200,
    )
    assert not failure.dead_letter
    assert len(engine.asked) == 1
    assert await dead_letters(admin) == {}


@pytest.mark.parametrize("ahead_s", [300.0, -300.0])
async def test_a_worker_whose_clock_is_off_counts_deadlines_by_the_bus_s_clock(
    server: RunningServer, admin: Bus, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    true_s = time.time
    monkeypatch.setattr(time, "time", lambda: true_s() + ahead_s)
    async with working(server, EchoEngine(2), job_deadline_s=60.0):
        result = await result_of(admin, await publish(admin))
        assert isinstance(result, Answer)
        assert 0 <= result.timings.queued_ms <= result.timings.total_ms < 60_000
    async with working(server, Gated()):
        job = await publish(admin, "slow", deadline_s=0.2)
        assert failure_of(await result_of(admin, job)).code == "deadline-exceeded"


async def test_a_running_job_ends_at_its_deadline(server: RunningServer, admin: Bus) -> None:
    engine = Gated()
    async with working(server, engine) as worker:
        job = await publish(admin, "slow", deadline_s=0.2)
        failure = failure_of(await result_of(admin, job))
        await all_is_clean(admin, job)
        assert worker.busy == 0
    assert failure.code == "deadline-exceeded"
    assert "0.2 s" in failure.detail
    assert engine.broken_off == ["slow"]


async def test_a_job_ends_at_its_deadline_while_it_waits_for_a_place(server: RunningServer, admin: Bus) -> None:
    engine = Gated(slots=1)
    async with working(server, engine):
        first = await publish(admin, "first")
        await asked(engine)
        second = await publish(admin, "second", deadline_s=0.2)
        assert failure_of(await result_of(admin, second)).code == "deadline-exceeded"
        await is_gone(admin, second)
        engine.gate.set()
        assert isinstance(await result_of(admin, first), Answer)
    assert engine.questions == ["first"]


async def test_a_job_whose_deadline_passed_in_the_queue_is_not_run(server: RunningServer, admin: Bus) -> None:
    engine = Noting()
    job = await publish(admin, deadline_s=0.01)
    await until_older_than(admin, job, 0.02)
    async with working(server, engine):
        assert failure_of(await result_of(admin, job)).code == "deadline-exceeded"
        await all_is_clean(admin, job)
    assert engine.asked == []


async def until_older_than(bus: Bus, job: JobName, age_s: float) -> None:
    message = await bus.js.get_msg(topology.JOBS_STREAM, subject=job.subject, direct=True)

    async def is_older() -> bool:
        assert message.time
        return time.time() - message.time.timestamp() > age_s

    await eventually(is_older, "the job is old enough", 15, TICK_S)


async def test_no_job_outlives_the_longest_deadline_of_the_settings(server: RunningServer, admin: Bus) -> None:
    async with working(server, Gated(), job_deadline_s=0.2):
        failure = failure_of(await result_of(admin, await publish(admin, deadline_s=80_000)))
    assert failure.code == "deadline-exceeded"


async def test_a_hint_ends_a_running_job(server: RunningServer, admin: Bus) -> None:
    engine = Gated()
    async with working(server, engine) as worker:
        job = await publish(admin, "unwanted")
        await asked(engine)
        await admin.publish(job.cancel_subject, b"")
        failure = failure_of(await result_of(admin, job))
        await all_is_clean(admin, job)
        assert worker.busy == 0
    assert (failure.code, failure.attempts) == ("cancelled", 1)
    assert engine.broken_off == ["unwanted"]


async def test_a_hint_ends_a_job_that_waits_for_its_place(server: RunningServer, admin: Bus) -> None:
    engine = Gated(slots=1)
    async with working(server, engine) as worker:
        await publish(admin, "first")
        await asked(engine)
        unwanted = await publish(admin, "unwanted")

        async def holds_both() -> bool:
            return worker.held == 2

        await eventually(holds_both, "both are held", 15, TICK_S)
        await admin.publish(unwanted.cancel_subject, b"")
        failure = failure_of(await result_of(admin, unwanted))
        await is_gone(admin, unwanted)
        engine.gate.set()
    assert (failure.code, failure.attempts) == ("cancelled", 0)
    assert engine.questions == ["first"]


async def test_secrets_of_a_direct_publisher_reach_neither_the_engine_nor_the_dead_letter(
    server: RunningServer, admin: Bus
) -> None:
    engine, job = Failing(times=99), new_job()
    body = json.dumps({"query": f"Is {AWS_KEY} valid?", "context": AWS_KEY, "stop": [AWS_KEY], "extra": AWS_KEY})
    async with working(server, engine, max_attempts=1):
        await admin.publish_job(job, body.encode(), {"X-Key": AWS_KEY, AWS_KEY: "x"})
        result = await result_of(admin, job)
    _, letter = await only_letter(admin)
    assert engine.questions == ["Is [REDACTED:aws-key] valid?"]
    assert letter.headers["X-Key"] == "[REDACTED:aws-key]"
    for shown in (engine.asked, letter, result):
        assert AWS_KEY not in repr(shown)


async def test_a_text_of_secrets_ends_as_a_failure_and_no_letter_keeps_it(server: RunningServer, admin: Bus) -> None:
    engine = Noting()
    async with working(server, engine):
        job = await publish(admin, "Who?", context=f"{AWS_KEY}\n" * 1001)
        result = await result_of(admin, job)
    assert isinstance(result, Failure)
    assert (result.code, result.dead_letter) == ("too-many-secrets", False)
    assert engine.questions == []
    assert await count(admin, topology.DEAD_STREAM) == 0


async def test_a_deployments_own_rule_and_what_it_asks_for_hold_at_the_worker(
    server: RunningServer, admin: Bus, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[[rule]]\nkind = 'badge'\npattern = 'G-[0-9]{6}'\n")
    engine = Noting()
    async with working(server, engine, redact="email", redaction_rules=rules):
        await result_of(admin, await publish(admin, "Is G-123456 anna@goblin.dev?"))
    assert engine.questions == ["Is [REDACTED:badge] [REDACTED:email]?"]


async def test_a_drain_over_its_limit_gives_a_running_job_back_and_takes_its_start_back(
    server: RunningServer, admin: Bus
) -> None:
    engine = Gated()
    async with working(server, engine, max_attempts=1):
        job = await publish(admin, "Who?")
        await asked(engine)
    assert engine.broken_off == ["Who?"]
    assert (await Starts(admin.starts).of(job)).total == 0
    async with working(server, EchoEngine(2), max_attempts=1):
        assert isinstance(await asyncio.wait_for(result_of(admin, job), AT_ONCE_S), Answer)
        await all_is_clean(admin, job)


async def test_a_result_that_cant_be_stored_is_kept_and_nothing_new_is_fetched_until_it_is(
    small_server: RunningServer,
) -> None:
    """Neither is it an attempt."""
    engine = Noting()
    async with small_server.bus() as admin, working(small_server, engine, max_attempts=1) as worker:
        await fill_results(admin)
        job = await publish(admin, "first")

        async def is_stuck() -> bool:
            return worker.consumer._is_paused

        await eventually(is_stuck, "the worker fetches nothing", 15, TICK_S)
        second = await publish(admin, "second")
        await settled(admin)
        assert (await Starts(admin.starts).of(job)).total == 1
        assert await admin.results.get(job.key) is None
        await provision(admin, QueueSettings(max_queue_size=2, results_max_bytes=2**20))
        assert isinstance(await result_of(admin, job), Answer)
        assert isinstance(await result_of(admin, second), Answer)
    assert engine.questions == ["first", "second"]


async def test_a_job_that_became_stale_is_not_given_back_by_its_old_worker(
    server: RunningServer, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that stood still for longer than the ack wait: another one may have the job."""
    engine = Failing(times=1)
    acks = f"$JS.ACK.{topology.JOBS_STREAM}.{topology.WORKER_DURABLE}.>"
    async with overheard(admin, acks) as said, working(server, engine) as worker:
        later = SimpleNamespace(monotonic=lambda: time.monotonic() + LONG_S + 1)
        engine.before = at_last(engine.before, lambda: monkeypatch.setattr("inference_worker.jobs.job.time", later))  # type: ignore[method-assign]
        await publish(admin)
        await asked(engine)

        async def let_it_be() -> bool:
            return worker.held == 0

        await eventually(let_it_be, "the worker holds it no more", 15, TICK_S)
    assert [message.data for message in said] == []


def at_last(before: Any, do: Any) -> Any:
    async def wrapped(query: Query) -> None:
        do()
        await before(query)

    return wrapped


async def test_two_workers_that_answer_one_job_leave_one_result(hasty_server: RunningServer) -> None:
    """The first worker stalls for longer than the ack wait: its answer loses to the one that was stored."""
    slow, quick = Gated(), EchoEngine(2)
    async with hasty_server.bus() as admin, working(hasty_server, slow, ack_wait_s=LONG_S) as left:
        left.consumer._limit = 1
        job = await publish(admin, "Who?")
        await asked(slow)
        async with working(hasty_server, quick):
            stands = await result_of(admin, job)
            await is_gone(admin, job)
        slow.gate.set()

        async def is_done() -> bool:
            return left.held == 0

        await eventually(is_done, "the first worker is done", 15, TICK_S)
        await all_is_clean(admin, job)
        assert await result_of(admin, job) == stands


async def test_an_answer_larger_than_the_bus_accepts_ends_as_a_failure_and_holds_up_nobody(
    server: RunningServer, admin: Bus
) -> None:
    engine = Endless()
    async with working(server, engine):
        failure = failure_of(await result_of(admin, await publish(admin)))
        assert (failure.code, failure.dead_letter) == ("proxy-error", False)
        assert "more than the bus accepts" in failure.detail
        engine.letters = 10
        assert isinstance(await result_of(admin, await publish(admin)), Answer)
    assert len(engine.asked) == 2


async def test_a_job_that_always_meets_an_unexpected_error_ends_as_a_dead_letter(
    server: RunningServer, admin: Bus
) -> None:
    engine = Broken()
    async with working(server, engine, max_attempts=2):
        job = await publish(admin)
        failure = failure_of(await result_of(admin, job))
        await all_is_clean(admin, job)
    assert (failure.code, failure.attempts, failure.dead_letter) == ("engine-error", 2, True)


async def test_a_job_whose_result_only_a_newer_version_reads_leaves_the_stream(
    server: RunningServer, admin: Bus
) -> None:
    engine, job = Noting(), new_job()
    await admin.results.create(job.key, b'{"status": "of a later version"}')
    await publish(admin, job=job)
    async with working(server, engine):
        await is_gone(admin, job)
    assert engine.asked == []


async def test_a_quote_is_made_without_counting_its_start_and_its_job_leaves_the_stream(
    server: RunningServer, admin: Bus
) -> None:
    async with working(server, Quoting()):
        job = await publish(admin)
        assert isinstance(await result_of(admin, job), Answer)
        await all_is_clean(admin, job)
    counted = (await admin.js.stream_info(f"KV_{topology.STARTS_BUCKET}")).state
    assert counted.last_seq == 0


async def test_a_quote_that_fails_counts_as_an_attempt(server: RunningServer, admin: Bus) -> None:
    engine = FailingQuote(times=99)
    async with working(server, engine, max_attempts=2):
        job = await publish(admin)
        failure = failure_of(await result_of(admin, job))
        await all_is_clean(admin, job)
    assert (failure.code, failure.attempts) == ("engine-error", 2)
    assert len(engine.asked) == 2


async def test_a_quote_for_a_job_that_was_ended_meanwhile_does_not_replace_its_result(
    server: RunningServer, admin: Bus
) -> None:
    job = new_job()
    stored = Failure(id=job.job_id, code="cancelled", detail="It was.")
    await admin.results.create(job.key, encode(stored))
    async with overheard(admin, job.results_subject) as heard, working(server, Quoting()):
        await publish(admin, job=job)
        await all_is_clean(admin, job)
    assert [decode_result(message.data) for message in heard] == [stored]
