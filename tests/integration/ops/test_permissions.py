"""What each role may do on the bus, and that it may do nothing else; on a real nats-server with the embedded rights."""

import asyncio
import functools
import json
import socket

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import APIError

from contract import topology
from contract.bus import library_client
from contract.bus.client import Bus
from contract.errors import AlreadyAcceptedError, BusError, LibraryRefusedError
from contract.library_messages import DeleteReply, DeleteRequest, encode
from contract.topology import ImportName, JobName
from contract.usage_records import client_key
from tests.support.bus_side import overheard
from tests.support.nats_server import RunningServer
from tests.support.victims import replies, settle, stand

JOB = JobName("http", "tests", "00000000-0000-7000-8000-000000000001")
IMPORT = ImportName("http", "tests", JOB.job_id, 1)
OTHERS = JobName("alice", "tests", JOB.job_id)

NOT_THE_INGRESS = [
    OTHERS.subject,
    OTHERS.cancel_subject,
    JOB.results_subject,
    JOB.tokens_subject,
    topology.worker_subject("forged"),
    topology.dead_subject("bad-message", JOB.job_id),
    f"$KV.DOCQA_RESULTS.{OTHERS.key}",
    f"$KV.DOCQA_STARTS.{JOB.key}",
    "$KV.DOCQA_CACHE.alice.tests.x",
    "$JS.API.DIRECT.GET.KV_DOCQA_CACHE.$KV.DOCQA_CACHE.http.tests.x",
    "$JS.API.CONSUMER.MSG.NEXT.DOCQA_JOBS.worker",
    "$JS.ACK.DOCQA_JOBS.worker.1.1.1.1.0",
    f"$JS.API.DIRECT.GET.KV_DOCQA_RESULTS.$KV.DOCQA_RESULTS.{OTHERS.key}",
    f"$JS.API.DIRECT.GET.DOCQA_JOBS.{OTHERS.subject}",
    "$JS.API.DIRECT.GET.KV_DOCQA_USAGE.$KV.DOCQA_USAGE.2026-11-27.alice.tests",
    "$KV.DOCQA_USAGE.2026-11-27.http.tests",
    "$JS.API.STREAM.INFO.KV_DOCQA_RESULTS",
    "$JS.API.STREAM.INFO.DOCQA_DEAD",
    "docqa.api.STREAM.PURGE.DOCQA_JOBS",
    "docqa.api.STREAM.MSG.DELETE.DOCQA_JOBS",
    OTHERS.read_subject,
    ImportName("alice", "tests", JOB.job_id, 1).subject,
    "docqa.library.read.http.tests",
    "docqa.library.erased.http.tests",
    "docqa.library.snapshot.http.tests",
    "docqa.library.search.alice.tests",
    "$JS.API.CONSUMER.MSG.NEXT.DOCQA_IMPORTS.library",
]
NOT_THE_WORKER = [
    JOB.subject,
    JOB.cancel_subject,
    topology.ROLL_CALL_SUBJECT,
    "$JS.API.STREAM.MSG.DELETE.KV_DOCQA_RESULTS",
    "$JS.API.STREAM.MSG.DELETE.DOCQA_IMPORTS",
    "$JS.API.STREAM.PURGE.KV_DOCQA_STARTS",
    IMPORT.subject,
    "docqa.library.put.http.tests",
    "docqa.library.delete.http.tests",
    "docqa.library.original.http.tests",
    "docqa.library.erased.http.tests",
    "$JS.API.CONSUMER.MSG.NEXT.DOCQA_IMPORTS.library",
]
NOT_THE_LIBRARY = [
    JOB.subject,
    JOB.results_subject,
    IMPORT.subject,
    "docqa.library.read.http.tests",
    f"$KV.DOCQA_STARTS.{JOB.key}",
    "$JS.API.CONSUMER.MSG.NEXT.DOCQA_JOBS.worker",
    "$JS.API.STREAM.MSG.DELETE.DOCQA_IMPORTS",
    "$JS.API.STREAM.MSG.DELETE.DOCQA_JOBS",
    "_INBOX_ingress.x",
    "_INBOX_worker.x",
]
FORBIDDEN = {"ingress": NOT_THE_INGRESS, "worker": NOT_THE_WORKER, "library": NOT_THE_LIBRARY}
ADMINS_ALONE = [
    "$JS.API.STREAM.CREATE.MINE",
    "$JS.API.STREAM.UPDATE.DOCQA_JOBS",
    "$JS.API.STREAM.PURGE.DOCQA_JOBS",
    "$JS.API.STREAM.DELETE.DOCQA_JOBS",
    "$JS.API.STREAM.SNAPSHOT.DOCQA_JOBS",
    "$JS.API.STREAM.RESTORE.DOCQA_JOBS",
    "$JS.API.STREAM.MSG.GET.DOCQA_JOBS",
    "$JS.API.CONSUMER.CREATE.DOCQA_JOBS.mine",
    "$JS.API.CONSUMER.DELETE.DOCQA_JOBS.worker",
    "$JS.API.CONSUMER.CREATE.KV_DOCQA_RESULTS",
    "$SYS.REQ.SERVER.PING",
    "anything.else",
]
NOT_HEARD = {
    "ingress": [">", "_INBOX_worker.>", "_INBOX_admin.>", "docqa.jobs.>", "docqa.results.>", OTHERS.tokens_subject],
    "worker": [">", "_INBOX_ingress.>", "_INBOX_admin.>", "docqa.jobs.>", "docqa.results.>", "docqa.tokens.>"],
    "library": [">", "_INBOX_ingress.>", "_INBOX_worker.>", "docqa.jobs.>", "docqa.results.>", "docqa.imports.>"],
}


async def denied(client: Client, errors: list[str]) -> bool:
    """Whether the server has spoken against anything since the connection was made."""
    await client.flush()
    # The denial comes before the answer to flush's ping; noting it is a task of its own.
    await asyncio.sleep(0.05)
    return any("permissions violation" in error.lower() for error in errors)


@pytest.mark.parametrize("role", FORBIDDEN)
async def test_nobody_but_its_owner_publishes_on_a_subject(server: RunningServer, role: str) -> None:
    forbidden = ADMINS_ALONE + FORBIDDEN[role]
    async with server.client(role) as (client, errors):
        for subject in forbidden:
            errors.clear()
            await client.publish(subject, b"{}")
            assert await denied(client, errors), subject


@pytest.mark.parametrize("role", NOT_HEARD)
async def test_nobody_listens_to_what_is_not_meant_for_it(server: RunningServer, role: str) -> None:
    async with server.client(role) as (client, errors):
        for subject in NOT_HEARD[role]:
            errors.clear()
            await client.subscribe(subject)
            assert await denied(client, errors), subject


@pytest.mark.parametrize("user", ["nobody", "admin", "ingress", None])
def test_nobody_comes_in_without_a_password(server: RunningServer, user: str | None) -> None:
    """By hand: nats-py leaves its socket open when it is refused."""
    login = {"verbose": False} | ({"user": user, "pass": "guess"} if user else {})
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection, connection.makefile() as lines:
        assert lines.readline().startswith("INFO ")
        connection.sendall(f"CONNECT {json.dumps(login)}\r\nPING\r\n".encode())
        assert lines.readline() == "-ERR 'Authorization Violation'\n"


async def test_the_ingress_can_do_its_work(server: RunningServer) -> None:
    async with server.bus("ingress") as bus:
        heard: asyncio.Queue[str] = asyncio.Queue()
        for subject in (
            topology.results_subjects("http"),
            topology.tokens_subjects("http"),
            topology.WORKER_SUBJECTS,
        ):
            await bus.subscribe(subject, functools.partial(hear, heard))
        await bus.publish_job(JOB, b"{}", {topology.BODY_HASH_HEADER: "x"})
        assert await bus.find_job(JOB)
        assert (await bus.queue_state()).depth == 1
        assert await bus.results.get(JOB.key) is None
        assert (await bus.results.create(JOB.key, b"failure")).value == b"failure"
        assert (await bus.results.create(JOB.key, b"another")).value == b"failure"
        for owner in ("http.tests", topology.EVERYBODY):
            assert await bus.cache.put(f"{owner}.fingerprint", b"")
        await bus.publish(JOB.cancel_subject, b"")
        await bus.publish(topology.ROLL_CALL_SUBJECT, b"")
        await bus.client.flush()
        async with server.bus("worker") as worker:
            said = [JOB.results_subject, JOB.tokens_subject, topology.worker_subject("w")]
            for subject in said:
                await worker.publish(subject, b"")
            assert [await asyncio.wait_for(heard.get(), 5) for _ in said] == said


async def test_the_worker_can_do_its_work(server: RunningServer) -> None:
    async with server.bus("ingress") as ingress, server.bus("worker") as bus:
        heard: asyncio.Queue[str] = asyncio.Queue()
        for subject in (topology.CANCEL_SUBJECTS, topology.ROLL_CALL_SUBJECT):
            await bus.subscribe(subject, functools.partial(hear, heard))
        await bus.client.flush()
        await ingress.publish_job(JOB, b"{}", {})
        await ingress.publish(JOB.cancel_subject, b"")
        await ingress.publish(topology.ROLL_CALL_SUBJECT, b"")
        assert {await asyncio.wait_for(heard.get(), 5) for _ in range(2)} == {JOB.cancel_subject, "docqa.workers"}

        pulls = await bus.js.pull_subscribe_bind(topology.WORKER_DURABLE, topology.JOBS_STREAM)
        (message,) = await pulls.fetch(1, timeout=5)
        await message.in_progress()
        assert await bus.starts.swap(JOB.key, b"1", last_seq=0)
        start = await bus.starts.get(JOB.key)
        assert start
        assert await bus.starts.swap(JOB.key, b"2", last_seq=start.seq)
        assert (await bus.results.create(JOB.key, b"answer")).value == b"answer"
        await bus.publish_dead(topology.dead_subject("engine-error", JOB.job_id), b"{}", "1")
        await message.ack_sync()
        counted = await bus.starts.get(JOB.key)
        assert counted
        await bus.starts.remove(counted.seq)
        assert (await bus.queue_state()).depth == 0


@pytest.mark.parametrize(
    "operation", ["search", "status", "list", "spaces", "text", "original", "put", "scan", "delete"]
)
async def test_the_library_answers_the_ingress(server: RunningServer, operation: topology.LibraryOperation) -> None:
    async with server.bus("ingress") as ingress, server.bus("library") as bus:
        await answering(bus)
        request = DeleteRequest(document=JOB.job_id)
        reply = await library_client.ask(ingress, operation, "http", "tests", request, DeleteReply)
        assert reply.document == f"docqa.library.{operation}.http.tests"


@pytest.mark.parametrize("operation", ["read", "search", "status"])
async def test_the_library_answers_the_worker(server: RunningServer, operation: topology.LibraryOperation) -> None:
    async with server.bus("worker") as worker, server.bus("library") as bus:
        await answering(bus)
        request = DeleteRequest(document=JOB.job_id)
        reply = await library_client.ask(worker, operation, "alice", "tests", request, DeleteReply)
        assert reply.document == f"docqa.library.{operation}.alice.tests"


async def test_a_library_that_is_not_there_is_known_at_once(server: RunningServer) -> None:
    async with server.bus("ingress") as ingress:
        request = DeleteRequest(document=JOB.job_id)
        with pytest.raises(LibraryRefusedError) as refused:
            await library_client.ask(ingress, "status", "http", "tests", request, DeleteReply, timeout_s=60)
        assert refused.value.code == "library-unavailable"


async def test_the_library_takes_the_work_of_imports(server: RunningServer) -> None:
    async with server.bus("ingress") as ingress, server.bus("library") as bus:
        await ingress.publish_import(IMPORT, b"{}")
        with pytest.raises(AlreadyAcceptedError):
            await ingress.publish_import(IMPORT, b"{}")
        pulls = await bus.js.pull_subscribe_bind(topology.LIBRARY_DURABLE, topology.IMPORTS_STREAM)
        (message,) = await pulls.fetch(1, timeout=5)
        assert message.subject == IMPORT.subject
        await message.in_progress()
        await message.ack_sync()


async def answering(bus: Bus) -> None:
    """Reply to all requests with their subject."""

    async def answer(message: Msg) -> None:
        await message.respond(encode(DeleteReply(document=message.subject, state="erased")))

    await bus.subscribe(topology.LIBRARY_SUBJECTS, answer)
    await bus.client.flush()


async def test_the_ingress_reads_no_other_publishers_results(server: RunningServer) -> None:
    async with server.bus("worker") as worker, server.bus("ingress") as bus:
        await worker.results.create(OTHERS.key, b"secret")
        with pytest.raises(BusError):
            await bus.results.get(OTHERS.key)


async def test_the_ingress_reads_what_its_clients_used_and_no_other_publishers(server: RunningServer) -> None:
    async with server.bus("worker") as worker, server.bus("ingress") as bus:
        for owner in ("http.anna", "alice.anna"):
            await worker.usage.create(client_key("2026-11-27", owner), b"{}")
        assert await bus.usage.get(client_key("2026-11-27", "http.anna"))
        with pytest.raises(BusError):
            await bus.usage.get(client_key("2026-11-27", "alice.anna"))


async def test_the_ingress_can_not_make_the_server_write_for_it(server: RunningServer) -> None:
    """The confused deputy: a message may name any subject for the answer, and the server may write to all."""
    async with server.bus() as admin, server.client("ingress") as (ingress, _):
        victims = await settle(admin)
        before = await stand(admin)
        await admin.results.create(JOB.key, b"")
        read = f"$JS.API.DIRECT.GET.KV_DOCQA_RESULTS.$KV.DOCQA_RESULTS.{JOB.key}"
        async with overheard(admin, ">") as heard:
            for reply in replies(victims):
                # An empty body is a purge request; any other would be a result.
                await ingress.publish(read, b"", reply=reply)
                await ingress.publish(JOB.subject, b"{}", reply=reply)
            await ingress.request(read, b"", timeout=5)
        assert {message.subject for message in heard}.isdisjoint(replies(victims))
        after = await stand(admin)
        after[topology.JOBS_STREAM] = [message for message in after[topology.JOBS_STREAM] if message[0] != JOB.subject]
        after["KV_DOCQA_RESULTS"] = [message for message in after["KV_DOCQA_RESULTS"] if JOB.key not in message[0]]
        assert after == before


@pytest.mark.parametrize("role", ["ingress", "worker"])
@pytest.mark.parametrize("extent", ["all", "sub"])
async def test_one_write_to_a_bucket_wipes_nothing_else(server: RunningServer, role: str, extent: str) -> None:
    async with server.bus() as admin, server.client(role) as (client, _):
        await admin.results.create(OTHERS.key, b"an answer")
        with pytest.raises(APIError, match="rollup not permitted"):
            await client.jetstream().publish(f"$KV.DOCQA_RESULTS.{JOB.key}", b"", headers={"Nats-Rollup": extent})
        assert await admin.results.get(OTHERS.key)


@pytest.mark.parametrize("role", ["ingress", "worker"])
async def test_a_result_is_not_made_to_expire_early(server: RunningServer, role: str) -> None:
    async with server.client(role) as (client, _):
        with pytest.raises(APIError, match="per-message TTL is disabled"):
            await client.jetstream().publish(f"$KV.DOCQA_RESULTS.{JOB.key}", b"", headers={"Nats-TTL": "1s"})


async def hear(heard: asyncio.Queue[str], message: Msg) -> None:
    await heard.put(message.subject)
