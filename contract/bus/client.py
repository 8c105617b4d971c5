"""The connection to NATS: connect, publish jobs, look up messages. Buckets are in `contract.bus.bucket`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import Header

from contract import tls, topology
from contract.bus import api
from contract.bus.bucket import Bucket
from contract.bus.clock import BusClock
from contract.bus.nats_errors import NO_MESSAGE, translated_errors
from contract.bus.stream_info import decode_page
from contract.errors import (
    AlreadyAcceptedError,
    BusError,
    ConnectionLostError,
    OutcomeUnknownError,
)
from contract.runtime import tasks
from contract.settings import BusSettings
from contract.topology import ImportName, JobName

REQUEST_TIMEOUT_S: Final = 2.0
CONNECT_TIMEOUT_S: Final = 2
RECONNECT_WAIT_S: Final = 0.25
PING_INTERVAL_S: Final = 10
"""nats-py's default would detect a half-open connection only after minutes."""

WATCH_EVERY_S: Final = 1.0

_JOBS_INFO = api.stream_info(topology.JOBS_STREAM)

log = structlog.get_logger(__name__)

Hook = Callable[[], Awaitable[None]]


class QueueState(msgspec.Struct, frozen=True):
    """The stream of jobs: messages on it (`depth`), its bound (`capacity`), and what was delivered to workers.

    `pending`: not delivered yet; `oldest_s`: when its oldest job was stored (Unix seconds), None when empty;
    `first_seq` and `last_seq`: of the oldest message on it, and of the newest that ever was.
    """

    depth: int
    capacity: int
    running: int
    delivered_seq: int
    pending: int = 0
    oldest_s: float | None = None
    first_seq: int = 0
    last_seq: int = 0

    @property
    def stuck(self) -> int:
        """Jobs on the stream that are neither pending nor delivered: the consumer will never deliver them."""
        return max(self.depth - self.pending - self.running, 0)


class WaitingJob(msgspec.Struct, frozen=True):
    """A job on the stream: its sequence, and its body's hash when its publisher sent one."""

    seq: int
    body_sha256: str | None


class JobsOnStream(msgspec.Struct, frozen=True):
    """One publisher's waiting and running jobs, as `<client>.<job id>`, and the stream's bound."""

    capacity: int
    names: frozenset[str]


class _Client(Client):
    """nats-py's client, but it sends no password to a server that offers no TLS, wherever it was redirected to."""

    def _connect_command(self) -> bytes:
        """The first command of each connection, with the password; raises nats.errors.Error instead of exposing it."""
        host = self._current_server.uri.hostname if self._current_server else None
        if not self._is_encrypted() and ("tls" in self.options or not tls.is_loopback(host)):
            raise nats.errors.Error(f"{host} offers no TLS: the password is not sent to it")
        return bytes(super()._connect_command())

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """nats-py does not count the headers, and the server closes a connection over a message that is too large."""
        if headers and len(payload) + _header_bytes(headers) > self.max_payload:
            raise nats.errors.MaxPayloadError
        await super().publish(subject, payload, reply, headers)

    async def _process_err(self, err_msg: str) -> None:
        """Connect anew after errors over which the server closes the connection; nats-py would close for good."""
        if self.is_connected and "permissions violation" not in err_msg.lower():
            error = nats.errors.Error(f"nats: {err_msg.strip()}")
            await self._error_cb(error)
            await self._process_op_err(error)
        else:
            await super()._process_err(err_msg)

    @property
    def has_given_up(self) -> bool:
        """True when no try to connect will follow: it was closed, or the task that reconnects has ended."""
        task = self._reconnection_task
        return self.is_closed or (self.is_reconnecting and task is not None and task.done())

    def _is_encrypted(self) -> bool:
        writer: asyncio.StreamWriter = self._transport._io_writer  # type: ignore[union-attr]  # only called with one
        return writer.get_extra_info("ssl_object") is not None


def _header_bytes(headers: dict[str, str]) -> int:
    """The size of a message's header on the wire."""
    return len("NATS/1.0\r\n\r\n") + sum(len(f"{key}: {value}\r\n".encode()) for key, value in headers.items())


class Stored(msgspec.Struct, frozen=True):
    """A message as its stream keeps it; `time_s` is when it was stored (Unix seconds, the server's clock)."""

    subject: str
    seq: int
    time_s: float
    body: bytes


class Bus:
    """One role's connection. It never buffers: a message that can't be sent now is not sent later."""

    def __init__(self) -> None:
        self.client = _Client()
        self._last_error = ""
        self.clock = BusClock(self.request)
        self.js = JetStreamContext(self.client, timeout=REQUEST_TIMEOUT_S)
        self.results = Bucket(self.js, self.request, topology.RESULTS_BUCKET)
        self.starts = Bucket(self.js, self.request, topology.STARTS_BUCKET)
        self.cache = Bucket(self.js, self.request, topology.CACHE_BUCKET)
        self.budget = Bucket(self.js, self.request, topology.BUDGET_BUCKET)
        self.usage = Bucket(self.js, self.request, topology.USAGE_BUCKET)
        self.meta = Bucket(self.js, self.request, topology.META_BUCKET)
        self.replays = Bucket(self.js, self.request, topology.REPLAYS_BUCKET)

    @property
    def is_connected(self) -> bool:
        return self.client.is_connected

    async def connect(self, settings: BusSettings, role: str, on_reconnect: Hook | None = None) -> None:
        """Connect as `role`, retrying until the bus is available; reconnect for ever after that.

        Raises SettingsError, before anything is sent, where the password would be sent to another machine without TLS.
        """

        async def reconnected() -> None:
            log.info("bus reconnected")
            self._last_error = ""
            if on_reconnect:
                await on_reconnect()

        await self.client.connect(
            tls.servers(settings.nats_url),
            name=f"docqa-{role}",
            user=role if settings.nats_password else None,
            password=settings.nats_password.reveal() if settings.nats_password else None,
            tls=settings.tls_context(),
            inbox_prefix=f"_INBOX_{role}",
            pending_size=0,
            connect_timeout=CONNECT_TIMEOUT_S,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # seconds go to asyncio.sleep as they are
            ping_interval=PING_INTERVAL_S,
            error_cb=self._log_error,
            disconnected_cb=_log_disconnect,
            reconnected_cb=reconnected,
        )

    async def watch(self) -> None:
        """Does not return; raises ConnectionLostError when no try to reconnect will follow."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            if self.client.has_given_up:
                raise ConnectionLostError

    async def close(self) -> None:
        if not self.is_connected:
            # Unsubscribes queued for the next connection: nats-py would write them to the closed one.
            self.client._pending, self.client._pending_data_size = [], 0
        # Not drain(): it raises while disconnected, and there is no buffer to save. uvloop raises RuntimeError for a
        # connection that was lost and not noticed yet.
        with contextlib.suppress(nats.errors.Error, OSError, asyncio.TimeoutError, RuntimeError):
            await self.client.close()
        # Cancelled during an attempt to reconnect, nats-py would go on and open a new connection.
        await tasks.end(self.client._reconnection_task)

    async def publish(self, subject: str, body: bytes, reply: str = "") -> None:
        """Core publish, best effort; raises BusUnavailableError. `reply`: the subject for a reply."""
        with translated_errors():
            await self.client.publish(subject, body, reply)

    async def subscribe(self, subject: str, callback: Callable[[Msg], Awaitable[None]]) -> None:
        """Call `callback` for every message; the subscription survives reconnects."""
        await self.client.subscribe(subject, cb=callback)

    async def publish_job(self, job: JobName, body: bytes, headers: dict[str, str]) -> int | None:
        """Store a job on the stream; its sequence there, or None where only its second try was seen as stored.

        Raises QueueFullError, AlreadyAcceptedError or BusUnavailableError, where nothing was stored by this call,
        and OutcomeUnknownError when the bus did not confirm, after a second try under the same id.
        """
        try:
            return await self._publish_stored(job.subject, body, headers)
        except OutcomeUnknownError:
            log.warning("publish timed out, trying once more", job=job.key)
        try:
            return await self._publish_stored(job.subject, body, headers)
        except AlreadyAcceptedError:
            return None
        except BusError:
            # Whatever happened to the second try, the first one may have been stored.
            raise OutcomeUnknownError from None

    async def publish_import(self, name: ImportName, body: bytes) -> None:
        """Store a document's import on the stream; raises what `publish_job` raises."""
        try:
            await self._publish_stored(name.subject, body, {})
            return
        except OutcomeUnknownError:
            log.warning("publish timed out, trying once more", document=name.document)
        try:
            await self._publish_stored(name.subject, body, {})
        except AlreadyAcceptedError:
            return
        except BusError:
            raise OutcomeUnknownError from None

    async def publish_dead(self, subject: str, body: bytes, message_id: str) -> None:
        """Store a dead letter, once however often it is tried within two minutes; raises BusError."""
        await self._publish_stored(subject, body, {Header.MSG_ID.value: message_id})

    async def request(self, subject: str, body: bytes, timeout_s: float = REQUEST_TIMEOUT_S) -> bytes:
        """Ask and return the reply's body; raises BusError."""
        with translated_errors():
            return bytes((await self.client.request(subject, body, timeout=timeout_s)).data)

    async def queue_state(self) -> QueueState:
        """The state of the stream and its consumer; raises BusError."""
        with translated_errors():
            reply, consumer = await asyncio.gather(
                # Not by nats-py, which drops the time of the first message.
                self.request(_JOBS_INFO, b""),
                self.js.consumer_info(topology.JOBS_STREAM, topology.WORKER_DURABLE),
            )
        stream = decode_page(reply)
        return QueueState(
            depth=stream.state.messages,
            capacity=max(stream.config.max_msgs, 0),
            running=consumer.num_ack_pending or 0,
            delivered_seq=consumer.delivered.stream_seq if consumer.delivered else 0,
            pending=consumer.num_pending or 0,
            oldest_s=stream.state.first_ts.timestamp() if stream.state.messages else None,
            first_seq=stream.state.first_seq,
            last_seq=stream.state.last_seq,
        )

    async def jobs_of(self, publisher: str) -> JobsOnStream:
        """All jobs of one publisher on the stream; raises BusError."""
        prefix = topology.jobs_of(publisher)
        names: set[str] = set()
        while True:
            question = {"subjects_filter": f"{prefix}>", "offset": len(names)}
            page = decode_page(await self.request(_JOBS_INFO, msgspec.json.encode(question)))
            names.update(subject.removeprefix(prefix) for subject in page.state.subjects)
            # A job that leaves between two pages makes the total too large: an empty page ends it too.
            if not page.state.subjects or len(names) >= page.total:
                return JobsOnStream(page.config.max_msgs, frozenset(names))

    async def imports(self) -> set[str]:
        """The subjects of all documents that wait to be read; raises BusError."""
        subjects: set[str] = set()
        while True:
            question = {"subjects_filter": topology.IMPORTS_SUBJECTS, "offset": len(subjects)}
            info = api.stream_info(topology.IMPORTS_STREAM)
            page = decode_page(await self.request(info, msgspec.json.encode(question)))
            subjects.update(page.state.subjects)
            if not page.state.subjects or len(subjects) >= page.total:
                return subjects

    async def find_job(self, job: JobName) -> WaitingJob | None:
        """A job that is waiting or running, else None; raises BusError."""
        with translated_errors():
            try:
                message = await self.js.get_msg(topology.JOBS_STREAM, subject=job.subject, direct=True)
            except nats.js.errors.NotFoundError:
                return None
        return WaitingJob(message.seq or 0, (message.headers or {}).get(topology.BODY_HASH_HEADER))

    async def next_stored(self, stream: str, seq: int, subjects: str) -> Stored | None:
        """The stream's first message of these subjects from `seq` on, or None; raises BusError."""
        with translated_errors():
            try:
                found = await self.js.get_msg(stream, seq=seq, subject=subjects, direct=True, next=True)
            except nats.js.errors.NotFoundError:
                return None
        time_s = found.time.timestamp() if found.time else 0.0
        return Stored(found.subject or "", found.seq or 0, time_s, found.data or b"")

    async def remove_stored(self, stream: str, seq: int) -> bool:
        """Remove a message, and overwrite it on the disk; False when it is not there. Raises BusError."""
        with translated_errors():
            try:
                return await self.js.delete_msg(stream, seq)
            except nats.js.errors.APIError as error:
                if error.err_code != NO_MESSAGE:
                    raise
                return False

    async def _log_error(self, error: Exception) -> None:
        # nats-py calls this for every attempt to reconnect: log each kind of error once.
        text = str(error) or type(error).__name__
        if text != self._last_error:
            log.warning("bus error", error=text)
            self._last_error = text

    async def _publish_stored(self, subject: str, body: bytes, headers: dict[str, str]) -> int:
        with translated_errors():
            return (await self.js.publish(subject, body, headers=dict(headers) or None)).seq


async def _log_disconnect() -> None:
    log.warning("bus disconnected")


@contextlib.asynccontextmanager
async def connected(settings: BusSettings, role: str) -> AsyncIterator[Bus]:
    """A bus for the time of a block."""
    bus = Bus()
    await bus.connect(settings, role)
    try:
        yield bus
    finally:
        await bus.close()
