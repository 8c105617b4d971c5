"""What a direct publisher tries beyond her rights, with real credentials on a real server: denied, and nothing is lost.

Each test ends with a look at everything that others have on the bus: it stands as it stood.
"""

import asyncio
import contextlib
import json
import socket
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.errors import MaxPayloadError, NoRespondersError
from nats.js.errors import APIError, NoStreamResponseError

from contract import topology
from contract.bus import Bus
from contract.topology import JobName
from tests.support.bus_side import new_job, overheard
from tests.support.nats_server import RunningServer
from tests.support.victims import ATTACKER, STREAMS, Victims, replies, settle, stand
from tests.support.waiting import eventually

NO_JETSTREAM = 10039
"""JetStream's API answers each account for itself, and hers has none."""

RESULTS = topology.RESULTS_BUCKET
READ = f"$JS.API.DIRECT.GET.KV_{RESULTS}"

REFUSED_HEADERS = [
    ({"Nats-Rollup": "all"}, 10111),
    ({"Nats-Rollup": "sub"}, 10111),
    ({"Nats-TTL": "1s"}, 10166),
    ({"Nats-Schedule": "@every 1s", "Nats-Schedule-Target": "docqa.jobs.bob.c1.x"}, 10188),
    ({"Nats-Schedule": "@at 2030-01-01T00:00:00Z", "Nats-Schedule-Target": "docqa.jobs.alice.c1.x"}, 10188),
    ({"Nats-Incr": "1"}, 10168),
    ({"Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1"}, 10174),
    ({"Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1"}, 10174),
    ({"Nats-Stream-Source": "DOCQA_JOBS 1 > > docqa.jobs.bob.c1.x"}, 10227),
    ({"Nats-Expected-Stream": "KV_DOCQA_RESULTS"}, 10060),
    ({"Nats-Expected-Last-Sequence": "999"}, 10071),
    ({"Nats-Expected-Last-Subject-Sequence": "999"}, 10071),
    ({"Nats-Expected-Last-Msg-Id": "m"}, 10070),
]
HEADERS_WITHOUT_EFFECT = [
    {"Nats-Trace-Dest": "docqa.results.http.c1.x"},
    {"Nats-Trace-Dest": "docqa.jobs.bob.c1.x", "Nats-Trace-Hop": "1"},
    {"Nats-Msg-Id": "m"},
    {"Nats-Subject": "docqa.jobs.bob.c1.x"},
    {"Nats-Response-Type": "error"},
    {"Nats-Request-Info": '{"acc":"DOCQA"}'},
    {"Nats-Marker-Reason": "Purge"},
    {"Nats-Pin-Id": "p"},
    {"KV-Operation": "PURGE"},
    {"Status": "503"},
]


@pytest.fixture
def bare_server(tmp_path: Path) -> Iterator[RunningServer]:
    """One that knows the attacker, and a publisher whom she attacks."""
    server = RunningServer(tmp_path)
    for name in (ATTACKER, "bob"):
        server.publishers.add(name, "nats://127.0.0.1:4222")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def victims(admin: Bus) -> AsyncIterator[Victims]:
    """They stand after the test as before it."""
    victims = await settle(admin)
    before = await stand(admin)
    yield victims
    assert await stand(admin) == before


@pytest.fixture
async def alice(server: RunningServer, victims: Victims) -> AsyncIterator[Client]:
    async with server.publisher(ATTACKER) as (client, _):
        yield client


async def is_denied(alice: Client, subject: str, body: bytes = b"") -> bool:
    """True if the request has no responder, or JetStream is not enabled for her account."""
    try:
        answer = json.loads((await alice.request(subject, body, timeout=5)).data)
    except NoRespondersError:
        return True
    return bool(answer["error"]["err_code"] == NO_JETSTREAM)


@pytest.mark.parametrize("stream", STREAMS)
async def test_nothing_is_purged_or_deleted(alice: Client, stream: str) -> None:
    for call in ("STREAM.PURGE", "STREAM.DELETE"):
        assert await is_denied(alice, f"$JS.API.{call}.{stream}")
    assert await is_denied(alice, f"$JS.API.STREAM.MSG.DELETE.{stream}", b'{"seq":1}')
    assert await is_denied(alice, f"$JS.API.CONSUMER.DELETE.{stream}.{topology.WORKER_DURABLE}")


@pytest.mark.parametrize("stream", STREAMS)
async def test_nothing_is_made_changed_or_restored(alice: Client, stream: str) -> None:
    config = json.dumps({"name": stream, "subjects": ["docqa.jobs.*.*.*"], "max_msgs": 1}).encode()
    for call in ("STREAM.CREATE", "STREAM.UPDATE", "STREAM.SNAPSHOT", "STREAM.RESTORE"):
        assert await is_denied(alice, f"$JS.API.{call}.{stream}", config)
    mirror = json.dumps({"name": "MINE", "mirror": {"name": stream}}).encode()
    assert await is_denied(alice, "$JS.API.STREAM.CREATE.MINE", mirror)


@pytest.mark.parametrize("stream", STREAMS)
async def test_nothing_is_looked_at(alice: Client, stream: str) -> None:
    for call in ("STREAM.INFO", "CONSUMER.LIST", "CONSUMER.NAMES"):
        assert await is_denied(alice, f"$JS.API.{call}.{stream}", b'{"subjects_filter":">"}')
    assert await is_denied(alice, "$JS.API.STREAM.NAMES")
    assert await is_denied(alice, "$JS.API.INFO")


async def test_anothers_job_is_not_read(alice: Client, victims: Victims) -> None:
    for job in (victims.waiting, victims.running, victims.ingress_waiting):
        by_subject = json.dumps({"last_by_subj": job.subject}).encode()
        assert await is_denied(alice, f"$JS.API.STREAM.MSG.GET.{topology.JOBS_STREAM}", by_subject)
        assert await is_denied(alice, f"$JS.API.DIRECT.GET.{topology.JOBS_STREAM}", by_subject)
        assert await is_denied(alice, f"$JS.API.DIRECT.GET.{topology.JOBS_STREAM}.{job.subject}")


async def test_anothers_result_is_not_read(alice: Client, victims: Victims) -> None:
    for job in (victims.done, victims.ingress_done):
        subject = f"$KV.{RESULTS}.{job.key}"
        by_subject = json.dumps({"last_by_subj": subject}).encode()
        assert await is_denied(alice, f"$JS.API.STREAM.MSG.GET.KV_{RESULTS}", by_subject)
        assert await is_denied(alice, READ, by_subject)
        assert await is_denied(alice, f"{READ}.{subject}")
    for pattern in (">", "*.*.*", "*.>", "bob.>"):
        assert await is_denied(alice, f"{READ}.$KV.{RESULTS}.{pattern}")


async def test_what_she_may_read_reads_nothing_else(alice: Client, victims: Victims) -> None:
    """The one subject by which she reads results accepts no request in its body, and no name but hers."""
    other = f"$KV.{RESULTS}.{victims.done.key}"
    hers = f"{READ}.$KV.{RESULTS}.{ATTACKER}"
    for body in (
        b'{"seq":1}',
        json.dumps({"last_by_subj": other}).encode(),
        json.dumps({"multi_last": [">"]}).encode(),
    ):
        answer = await alice.request(f"{hers}.c1.x", body, timeout=5)
        assert (answer.data, (answer.headers or {})["Status"]) == (b"", "408")
    for end in (f"c1.x.{other}", other, ">", "*", "*.*"):
        answer = await alice.request(f"{hers}.{end}", b"", timeout=5)
        assert (answer.data, (answer.headers or {})["Status"]) == (b"", "404")


async def test_nothing_is_consumed(alice: Client) -> None:
    jobs, durable = topology.JOBS_STREAM, topology.WORKER_DURABLE
    config = json.dumps({"stream_name": jobs, "config": {"deliver_subject": "mine", "ack_policy": "none"}}).encode()
    assert await is_denied(alice, f"$JS.API.CONSUMER.MSG.NEXT.{jobs}.{durable}", b'{"batch":10}')
    for subject in (f"CONSUMER.CREATE.{jobs}", f"CONSUMER.CREATE.{jobs}.mine", f"CONSUMER.DURABLE.CREATE.{jobs}.mine"):
        assert await is_denied(alice, f"$JS.API.{subject}", config)
    assert await is_denied(alice, f"$JS.API.CONSUMER.CREATE.KV_{RESULTS}", config)


@pytest.mark.parametrize("word", [b"+ACK", b"+TERM", b"-NAK", b"+WPI", b""])
async def test_anothers_job_is_not_acked(alice: Client, victims: Victims, word: bytes) -> None:
    assert await is_denied(alice, victims.ack, word)
    everybody = ".".join([*victims.ack.split(".")[:4], "1", "1", "1", "1", "0"])
    assert await is_denied(alice, everybody, word)


async def test_nothing_is_published_as_another(alice: Client, admin: Bus, victims: Victims) -> None:
    async with overheard(admin, ">") as heard:
        for publisher in ("bob", "http", "carol", "*", ">"):
            job = f"docqa.jobs.{publisher}.c1.{victims.waiting.job_id}"
            with pytest.raises(NoStreamResponseError):
                await alice.jetstream().publish(job, b"{}")
        for job_name in victims.all:
            for subject in (job_name.subject, job_name.cancel_subject, job_name.results_subject):
                assert await is_denied(alice, subject)
    assert [message.subject for message in heard if message.subject.startswith("docqa.")] == []


async def test_nothing_but_jobs_is_written(alice: Client, admin: Bus, victims: Victims) -> None:
    own = new_job(ATTACKER)
    subjects = [
        *(f"$KV.{bucket}.{job.key}" for bucket in (RESULTS, topology.STARTS_BUCKET) for job in (own, victims.waiting)),
        topology.dead_subject("engine-error", own.job_id),
        topology.worker_subject("forged"),
        topology.ROLL_CALL_SUBJECT,
        own.results_subject,
        own.tokens_subject,
    ]
    async with overheard(admin, ">") as heard:
        for subject in subjects:
            assert await is_denied(alice, subject, b"{}"), subject
    assert [message.subject for message in heard if message.subject in subjects] == []


async def test_nothing_of_others_is_heard(server: RunningServer, alice: Client, victims: Victims) -> None:
    heard: list[str] = []

    async def hear(message: object) -> None:
        heard.append(message.subject)  # type: ignore[attr-defined]

    for subject in (
        ">",
        "docqa.>",
        "docqa.jobs.>",
        "docqa.results.>",
        "docqa.tokens.*.*.*",
        "$KV.>",
        "_INBOX.>",
        "$JS.>",
    ):
        await alice.subscribe(subject, cb=hear)
    await alice.flush()
    async with server.bus("worker") as worker, server.publisher("bob") as (bob, _), server.bus("ingress") as ingress:
        for job in victims.all:
            for subject in (job.results_subject, job.tokens_subject):
                await worker.publish(subject, b"secret")
        await bob.publish(victims.waiting.cancel_subject, b"")
        await ingress.queue_state()
        await worker.client.flush()
        await worker.publish(new_job(ATTACKER).results_subject, b"hers")
        await worker.client.flush()
    await alice.flush()
    assert {subject.split(".")[2] for subject in heard} == {ATTACKER}


async def test_the_server_writes_no_word_where_a_reply_subject_points(
    alice: Client, admin: Bus, victims: Victims
) -> None:
    """The confused deputy: the server may write everywhere, and a message names where it is to answer."""
    own = new_job(ATTACKER)
    await admin.results.create(own.key, b"{}")
    async with overheard(admin, ">") as heard:
        for reply in replies(victims):
            for subject in (new_job(ATTACKER).subject, own.cancel_subject, f"{READ}.$KV.{RESULTS}.{own.key}"):
                await alice.publish(subject, b"", reply=reply)
        await alice.flush()
        await alice.request(f"{READ}.$KV.{RESULTS}.{own.key}", b"", timeout=5)
    said = {message.subject for message in heard}
    assert own.cancel_subject in said
    assert said.isdisjoint(replies(victims))


async def test_anothers_job_id_names_a_job_of_her_own(alice: Client, admin: Bus, victims: Victims) -> None:
    for victim in victims.all:
        job = JobName(ATTACKER, victim.client, victim.job_id)
        await alice.jetstream().publish(job.subject, b"{}")
        assert await admin.find_job(job)
        await alice.publish(job.cancel_subject, b"")


@pytest.mark.parametrize(
    ("headers", "code"), REFUSED_HEADERS, ids=lambda value: "+".join(value) if isinstance(value, dict) else ""
)
async def test_a_header_that_the_server_would_obey_is_refused(
    alice: Client, admin: Bus, headers: dict[str, str], code: int
) -> None:
    job = new_job(ATTACKER)
    with pytest.raises(APIError) as raised:
        await alice.jetstream().publish(job.subject, b"{}", headers=dict(headers))
    assert raised.value.err_code == code
    assert await admin.find_job(job) is None


@pytest.mark.parametrize("headers", HEADERS_WITHOUT_EFFECT, ids="+".join)
async def test_any_other_header_is_stored_with_the_job_and_does_nothing(
    alice: Client, admin: Bus, headers: dict[str, str]
) -> None:
    job = new_job(ATTACKER)
    async with overheard(admin, ">") as heard:
        await alice.jetstream().publish(job.subject, b"{}", headers=dict(headers))
        found = await admin.js.get_msg(topology.JOBS_STREAM, subject=job.subject)
        assert found.subject == job.subject
        await alice.flush()
    assert headers.get("Nats-Trace-Dest") not in {message.subject for message in heard}


async def test_a_header_finds_out_no_more_of_anothers_job_than_its_place_in_the_stream(
    alice: Client, victims: Victims
) -> None:
    """Known and left: the server answers a condition on any subject with a sequence number; docs/security.md."""
    headers = {
        "Nats-Expected-Last-Subject-Sequence": "999",
        "Nats-Expected-Last-Subject-Sequence-Subject": victims.ingress_waiting.subject,
    }
    with pytest.raises(APIError, match="wrong last sequence: 3"):
        await alice.jetstream().publish(new_job(ATTACKER).subject, b"{}", headers=headers)


@pytest.mark.parametrize(
    "name",
    [
        "alice.c1",
        "alice",
        "alice.c1.x.y",
        "*.c1.x",
        ">",
        "alice..x",
        ".alice.c1.x",
        "Alice.c1.x",
    ],
)
async def test_a_subject_of_another_form_is_nobodys(alice: Client, name: str) -> None:
    assert await is_denied(alice, f"docqa.jobs.{name}", b"{}")


@pytest.mark.parametrize("client", ["*", ">", "é", "C1", "c" * 65, "$KV", "\u017f", "\u202e"])
async def test_a_name_of_other_letters_stays_beneath_her_own(alice: Client, admin: Bus, client: str) -> None:
    """The worker buries it; tests/acceptance/test_direct.py."""
    subject = f"docqa.jobs.{ATTACKER}.{client}.{new_job().job_id}"
    async with overheard(admin, "docqa.>") as heard:
        await alice.jetstream().publish(subject, b"{}")
    assert [message.subject for message in heard] == [subject]


def raw(server: RunningServer, *lines: bytes, greeting: bytes = b"") -> list[str]:
    """What the server says to lines that no client library would send, after a login."""
    login = server.publishers.read(ATTACKER)
    connect = json.dumps({"verbose": False, "user": login.user, "pass": login.password}).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        answers = connection.makefile("rb")
        assert answers.readline().startswith(b"INFO ")
        connection.sendall(greeting + b"CONNECT " + connect + b"\r\n")
        with contextlib.suppress(ConnectionError):
            for line in (*lines, b"PING"):
                connection.sendall(line + b"\r\n")
        said: list[str] = []
        with contextlib.suppress(ConnectionError):
            while line := answers.readline():
                if line == b"PONG\r\n":
                    return said
                said.append(line.decode().strip().lower())
        return [*said, "closed"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"PUB docqa.jobs.alice.a b.x 99999999", "maximum payload violation"),
        (b"PUB docqa.jobs.alice.c1." + b"x" * 8000 + b" 0\r\n", "maximum control line exceeded"),
        (b"PUB docqa.jobs.alice.a b c.x 2\r\n{}", "closed"),
        (b"PUB docqa.jobs.alice.c1.x -5\r\n", "closed"),
        (b"MSG docqa.jobs.bob.c1.x 1 2\r\n{}", "unknown protocol operation"),
        (b"RMSG DOCQA docqa.jobs.bob.c1.x 2\r\n{}", "unknown protocol operation"),
        (b"A+ DOCQA\r\n", "unknown protocol operation"),
    ],
)
async def test_a_line_outside_the_protocol_ends_her_connection_only(
    server: RunningServer, admin: Bus, victims: Victims, line: bytes, answer: str
) -> None:
    said = await asyncio.to_thread(raw, server, line)
    assert any(answer in one for one in said), said
    assert said[-1] == "closed"
    assert admin.is_connected


async def test_a_web_page_does_not_talk_to_the_bus(server: RunningServer, admin: Bus, victims: Victims) -> None:
    """A browser can be made to send a form to any port; even one that held credentials would not get to say them."""
    job = new_job(ATTACKER)
    form = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999\r\n\r\n"
    said = await asyncio.to_thread(raw, server, f"PUB {job.subject} 2\r\n{{}}".encode(), greeting=form)
    assert said[-1] == "closed"
    assert await admin.find_job(job) is None


async def test_a_space_in_a_subject_makes_it_another_message_of_hers(server: RunningServer, victims: Victims) -> None:
    """The rest is taken for a reply subject."""
    said = await asyncio.to_thread(raw, server, b"PUB docqa.jobs.alice.a b.x 2\r\n{}")
    assert said == []


@pytest.mark.parametrize(("size", "error"), [(1100 * 1024, APIError), (1200 * 1024, MaxPayloadError)])
async def test_a_body_that_is_too_large_is_refused(
    alice: Client, admin: Bus, size: int, error: type[Exception]
) -> None:
    job = new_job(ATTACKER)
    with pytest.raises(error):
        await alice.jetstream().publish(job.subject, b"x" * size)
    assert await admin.find_job(job) is None


async def test_more_jobs_than_the_queue_takes_are_refused_one_by_one(alice: Client, admin: Bus) -> None:
    """The flood fills what is free, and no more; tests/acceptance/test_direct.py shows that it drains."""
    js = alice.jetstream()
    jobs = [new_job(ATTACKER) for _ in range(100)]
    answers = await asyncio.gather(*(js.publish(job.subject, b"{}") for job in jobs), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, APIError)]
    assert {(answer.err_code, answer.description) for answer in refused} == {(10077, "maximum messages exceeded")}
    assert len(refused) == 100 - (10 - 3)
    assert (await admin.queue_state()).depth == 10


async def test_what_the_server_tells_her_of_itself_is_her_own_account(alice: Client) -> None:
    for subject in (
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.ACCOUNT.DOCQA.CONNZ",
        "$SYS.REQ.SERVER.PING.VARZ",
        "$SYS.REQ.SERVER.X.RELOAD",
    ):
        with pytest.raises(NoRespondersError):
            await alice.request(subject, b"", timeout=5)
    for body in (b"", b'{"acc":"DOCQA","auth":true}', b'{"accounts":["DOCQA","SYS"]}'):
        connections = json.loads((await alice.request("$SYS.REQ.ACCOUNT.PING.CONNZ", body, timeout=5)).data)
        assert connections["data"]["num_connections"] == 1
        accounts = json.loads((await alice.request("$SYS.REQ.ACCOUNT.PING.STATZ", body, timeout=5)).data)
        assert [account["acc"] for account in accounts["data"]["account_statz"]] == ["publisher-alice"]


async def test_connections_of_one_publisher_are_counted_and_the_others_come_in(
    server: RunningServer, victims: Victims
) -> None:
    async with contextlib.AsyncExitStack() as crowd:
        for _ in range(64):
            await crowd.enter_async_context(server.publisher(ATTACKER))
        assert any(
            "maximum account active connections exceeded" in line for line in await asyncio.to_thread(raw, server)
        )
        await crowd.enter_async_context(server.publisher("bob"))
        await crowd.enter_async_context(server.bus("ingress"))


async def test_a_flood_of_cancels_is_forgotten(server: RunningServer, alice: Client, victims: Victims) -> None:
    """A cancel has no reply, and the server does not keep its reply subject for ever."""
    job = new_job(ATTACKER)
    async with server.bus("worker") as worker, overheard(worker, topology.CANCEL_SUBJECTS) as heard:
        for number in range(500):
            await alice.publish(job.cancel_subject, b"", reply=f"never.{number}")

        async def probe() -> bool:
            return len(heard) == 500 and await asyncio.to_thread(kept_replies, server) == 0

        await eventually(probe, "all cancels were heard, and no reply subject is kept", 15)


def kept_replies(server: RunningServer) -> int:
    with urllib.request.urlopen(f"{server.monitoring}/accountz?acc={topology.ACCOUNT}", timeout=5) as page:  # noqa: S310
        return len(json.load(page)["account_detail"].get("responses") or {})
