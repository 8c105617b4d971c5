"""What an attack must leave as it was: jobs that wait and run, results, counts and dead letters of others."""

from typing import Any, NamedTuple

from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError
from uuid_utils import uuid7

from contract import topology
from contract.bus import Bus
from contract.topology import JobName

STREAMS = (
    topology.JOBS_STREAM,
    f"KV_{topology.RESULTS_BUCKET}",
    f"KV_{topology.STARTS_BUCKET}",
    topology.DEAD_STREAM,
)
ATTACKER = "alice"


class Victims(NamedTuple):
    """Jobs of the ingress and of another publisher, at every stage of a job's life."""

    waiting: JobName
    running: JobName
    done: JobName
    ingress_waiting: JobName
    ingress_done: JobName
    ack: str
    """The subject that ends the running job."""

    @property
    def all(self) -> list[JobName]:
        return [self.waiting, self.running, self.done, self.ingress_waiting, self.ingress_done]


async def settle(bus: Bus) -> Victims:
    """Bring the victims onto the bus, as admin."""
    running, waiting, done = (JobName("bob", "c1", str(uuid7())) for _ in range(3))
    ingress_waiting, ingress_done = (JobName("http", "c1", str(uuid7())) for _ in range(2))
    for job in (running, waiting, ingress_waiting):
        await bus.publish_job(job, b'{"query":"A secret question?"}', {})
    pulls = await bus.js.pull_subscribe_bind(topology.WORKER_DURABLE, topology.JOBS_STREAM)
    [delivered] = await pulls.fetch(1, timeout=5)
    await bus.starts.swap(running.key, b"1", last_seq=0)
    for job in (done, ingress_done):
        await bus.results.create(job.key, b"a secret answer")
    await bus.publish_dead(topology.dead_subject("engine-error", done.job_id), b"{}", "1")
    return Victims(
        running=running,
        waiting=waiting,
        done=done,
        ingress_waiting=ingress_waiting,
        ingress_done=ingress_done,
        ack=delivered.reply,
    )


async def stand(bus: Bus) -> dict[str, Any]:
    """All that is stored and how it is kept, but for what the attacker may have: jobs and results of her own."""
    found: dict[str, Any] = {}
    for stream in STREAMS:
        found[stream] = [message for message in await _messages(bus, stream) if not _is_attackers(message[0])]
        found[f"{stream} config"] = (await bus.js.stream_info(stream)).config
    consumers = await bus.js.consumers_info(topology.JOBS_STREAM)
    found["consumers"] = [(consumer.name, consumer.config, consumer.num_ack_pending) for consumer in consumers]
    found["streams"] = sorted(info.config.name or "" for info in await bus.js.streams_info())
    return found


def replies(victims: Victims) -> list[str]:
    """Subjects at which the server's own word would do harm."""
    return [
        f"docqa.jobs.bob.c1.{victims.done.job_id}",
        f"docqa.jobs.http.c1.{victims.done.job_id}",
        victims.waiting.results_subject,
        victims.ingress_waiting.results_subject,
        f"$KV.{topology.RESULTS_BUCKET}.{victims.waiting.key}",
        f"$KV.{topology.RESULTS_BUCKET}.{victims.done.key}",
        f"$KV.{topology.STARTS_BUCKET}.{victims.running.key}",
        victims.running.cancel_subject,
        victims.ack,
        topology.dead_subject("engine-error", victims.waiting.job_id),
        topology.worker_subject("forged"),
        f"$JS.API.STREAM.PURGE.{topology.JOBS_STREAM}",
        f"$JS.API.STREAM.DELETE.{topology.JOBS_STREAM}",
        f"$JS.API.CONSUMER.DELETE.{topology.JOBS_STREAM}.{topology.WORKER_DURABLE}",
        "_INBOX_worker.x",
        "_INBOX_ingress.x",
        "_R_.x",
    ]


async def _messages(bus: Bus, stream: str) -> list[tuple[str, int, bytes | None, object]]:
    state = (await bus.js.stream_info(stream)).state
    found = [await _message(bus, stream, seq) for seq in range(max(state.first_seq, 1), state.last_seq + 1)]
    return [(one.subject or "", one.seq or 0, one.data, one.headers) for one in found if one]


async def _message(bus: Bus, stream: str, seq: int) -> RawStreamMsg | None:
    try:
        return await bus.js.get_msg(stream, seq)
    except NotFoundError:
        return None


def _is_attackers(subject: str) -> bool:
    return subject.startswith((f"docqa.jobs.{ATTACKER}.", f"$KV.{topology.RESULTS_BUCKET}.{ATTACKER}."))
