"""Makes the streams, the durable and the buckets that `contract.topology` names, or brings them to the settings.

The admin's work: `docqa nats` and `docqa up` do it, everybody else only checks. Safe to repeat. Knows
what must never be changed on a stream that holds jobs; the names are in `contract.topology`.
"""

from typing import Any, Final

import nats.errors
import nats.js.errors
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from contract import topology
from contract.bus import Bus, api, restore_mark
from contract.errors import BusError, BusUnavailableError, NotProvisionedError, OutcomeUnknownError
from contract.settings import QueueSettings

OLDEST_SERVER: Final = (2, 15)
"""Earlier servers lose acknowledged messages on a power cut even with `sync_interval: always`."""

JOB_MARGIN_BYTES: Final = 64 * 1024
"""Room for a job's headers and for what JSON adds to a request."""

BUDGET_TTL_S: Final = 8 * 86_400
"""A day's count is needed until the last call that began in it has ended; `docqa usage` shows a week."""
USAGE_TTL_S: Final = 92 * 86_400
USAGE_MAX_BYTES: Final = 64 * 2**20
"""About 200,000 client-days; the oldest are dropped first."""

READ_MAX_BYTES: Final = 256 * 2**20
"""About a million results, an hour's at 250 a second."""

DEAD_TTL_S: Final = 7 * 86_400
DEAD_DUPLICATES_S: Final = 120
"""A dead letter is published again until it is stored, always under the same `Nats-Msg-Id`."""

_SHORTEST_DUPLICATE_WINDOW_S: Final = 0.1
"""The shortest that the server accepts: no message there has a `Nats-Msg-Id`."""

_NEVER_LIFTED: Final = "deny_delete"
"""A server does not lift it from a stream that exists: it stays until a backup is restored into a new one."""

_FIXED: Final = ("retention", "storage", "max_msgs_per_subject", "discard_new_per_subject")
"""Never changed on a stream that exists: tightening a limit per subject deletes waiting jobs silently."""

_TOO_FEW_SERVERS: Final = (10005, 10074)


async def provision(bus: Bus, settings: QueueSettings, *, amid_restore: bool = False) -> None:
    """Create or update everything that the services rely on; raises BusError."""
    _check_version(bus)
    if not amid_restore:
        await _check_whole(bus)
    try:
        for wanted in _streams(settings):
            await _reconcile(bus, wanted)
        # Creating also updates: a changed `ack_wait` applies from the next delivery on.
        await bus.js.add_consumer(topology.JOBS_STREAM, _durable(topology.WORKER_DURABLE, settings))
        await bus.js.add_consumer(topology.IMPORTS_STREAM, _durable(topology.LIBRARY_DURABLE, settings))
    except nats.js.errors.APIError as error:
        if error.err_code in _TOO_FEW_SERVERS:
            raise BusError(
                f"DOCQA_REPLICAS: the bus has no {settings.replicas} servers to keep copies on "
                f"({error.description}): start them all, or ask for fewer copies."
            ) from None
        raise BusError(f"The bus can't be set up: {error.description or error}.") from None
    except (nats.js.errors.NoStreamResponseError, nats.errors.NoRespondersError):
        raise NotProvisionedError(
            "The server at DOCQA_NATS_URL has no JetStream for this user: switch it on, or use the embedded server."
        ) from None
    except (TimeoutError, nats.errors.Error, OSError):
        raise BusUnavailableError("The bus did not answer while its streams were being set up: try again.") from None


def stream_names(settings: QueueSettings) -> list[str]:
    """The names of all streams, those of buckets too."""
    return [str(stream.name) for stream in _streams(settings)]


def _check_version(bus: Bus) -> None:
    version = bus.client.connected_server_version
    if (version.major, version.minor) < OLDEST_SERVER:
        raise BusError(
            f"The nats-server is {version.major}.{version.minor}.{version.patch}, "
            f"and only {OLDEST_SERVER[0]}.{OLDEST_SERVER[1]} or newer keeps what it acknowledged: upgrade it."
        )


async def _check_whole(bus: Bus) -> None:
    try:
        is_unfinished = await restore_mark.is_unfinished(bus)
    except OutcomeUnknownError:
        raise BusUnavailableError("The bus did not answer before its streams were set up: try again.") from None
    if is_unfinished:
        raise BusError("A restore of this bus was broken off: run `docqa backup restore` with that backup again.")


def _streams(settings: QueueSettings) -> list[StreamConfig]:
    makers = (_jobs, _imports, _results, _read, _starts, _cache, _budget, _usage, _dead, _meta, _replays)
    return [make(settings) for make in makers]


def _jobs(settings: QueueSettings) -> StreamConfig:
    return StreamConfig(
        name=topology.JOBS_STREAM,
        subjects=[topology.JOBS_SUBJECTS],
        retention=RetentionPolicy.WORK_QUEUE,
        discard=DiscardPolicy.NEW,
        # Lowering this keeps waiting jobs. No max_bytes: with discard=new there is an open bug report of lost messages.
        max_msgs=settings.queue_size,
        max_bytes=-1,
        max_age=0,
        max_msgs_per_subject=1,
        discard_new_per_subject=True,
        max_msg_size=settings.max_request_size_mb * 2**20 + JOB_MARGIN_BYTES,
        allow_direct=True,
        duplicate_window=_SHORTEST_DUPLICATE_WINDOW_S,
        storage=StorageType.FILE,
        num_replicas=settings.replicas,
    )


def _imports(settings: QueueSettings) -> StreamConfig:
    """Work only: the files themselves wait in the library's spool folder."""
    jobs = _jobs(settings)
    return jobs.evolve(
        name=topology.IMPORTS_STREAM,
        subjects=[topology.IMPORTS_SUBJECTS],
        max_msgs=settings.library_queue,
        max_msg_size=JOB_MARGIN_BYTES,
    )


def _results(settings: QueueSettings) -> StreamConfig:
    # Configured like nats-py's buckets, so that every client can read it as one. The library alone may delete: what was
    # made of an erased document is overwritten on the disk, and the failure `erased` takes its place.
    return _bucket(topology.RESULTS_BUCKET, settings, max_bytes=settings.results_max_bytes, deny_delete=False)


def _read(settings: QueueSettings) -> StreamConfig:
    return StreamConfig(
        name=topology.READ_STREAM,
        subjects=[topology.READ_SUBJECTS],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        max_msgs=-1,
        max_bytes=READ_MAX_BYTES,
        max_age=settings.result_ttl_s,
        max_msgs_per_subject=1,
        max_msg_size=1024,
        allow_direct=True,
        duplicate_window=_SHORTEST_DUPLICATE_WINDOW_S,
        storage=StorageType.FILE,
        num_replicas=settings.replicas,
    )


def _starts(settings: QueueSettings) -> StreamConfig:
    # The worker removes a count once its job is acked: by sequence, which a plain bucket would deny.
    return _bucket(topology.STARTS_BUCKET, settings, max_bytes=-1, deny_delete=False)


def _cache(settings: QueueSettings) -> StreamConfig:
    bucket = _bucket(topology.CACHE_BUCKET, settings, max_bytes=settings.cache_max_bytes, deny_delete=False)
    # When full it drops its oldest keys: an answer can be generated again.
    return bucket.evolve(max_age=settings.cache_ttl_s, discard=DiscardPolicy.OLD)


def _budget(settings: QueueSettings) -> StreamConfig:
    return _bucket(topology.BUDGET_BUCKET, settings, max_bytes=-1, deny_delete=True).evolve(max_age=BUDGET_TTL_S)


def _usage(settings: QueueSettings) -> StreamConfig:
    bucket = _bucket(topology.USAGE_BUCKET, settings, max_bytes=USAGE_MAX_BYTES, deny_delete=False)
    return bucket.evolve(max_age=USAGE_TTL_S, discard=DiscardPolicy.OLD)


def _meta(settings: QueueSettings) -> StreamConfig:
    return _bucket(topology.META_BUCKET, settings, max_bytes=-1, deny_delete=False).evolve(max_age=0)


def _replays(settings: QueueSettings) -> StreamConfig:
    return _bucket(topology.REPLAYS_BUCKET, settings, max_bytes=-1, deny_delete=False).evolve(max_age=DEAD_TTL_S)


def _bucket(name: str, settings: QueueSettings, *, max_bytes: int, deny_delete: bool) -> StreamConfig:
    return StreamConfig(
        name=api.bucket_stream(name),
        subjects=[api.bucket_key(name, ">")],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        max_msgs=-1,
        max_bytes=max_bytes,
        max_age=settings.result_ttl_s,
        max_msgs_per_subject=1,
        max_msg_size=-1,
        allow_direct=True,
        # One write with the header Nats-Rollup would wipe the whole bucket, whatever subjects its writer has.
        allow_rollup_hdrs=False,
        deny_delete=deny_delete,
        duplicate_window=_SHORTEST_DUPLICATE_WINDOW_S,
        storage=StorageType.FILE,
        num_replicas=settings.replicas,
    )


def _dead(settings: QueueSettings) -> StreamConfig:
    return StreamConfig(
        name=topology.DEAD_STREAM,
        subjects=[topology.DEAD_SUBJECTS],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        max_msgs=-1,
        max_bytes=settings.dead_max_bytes,
        max_age=DEAD_TTL_S,
        max_msgs_per_subject=-1,
        max_msg_size=-1,
        allow_direct=True,
        duplicate_window=DEAD_DUPLICATES_S,
        storage=StorageType.FILE,
        num_replicas=settings.replicas,
    )


def _durable(name: str, settings: QueueSettings) -> ConsumerConfig:
    return ConsumerConfig(
        name=name,
        durable_name=name,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=settings.ack_wait_s,
        # Attempts are counted by who takes the work: what passes a max_deliver stays in a work queue for ever.
        max_deliver=-1,
        max_ack_pending=-1,
    )


async def _reconcile(bus: Bus, wanted: StreamConfig) -> None:
    try:
        info = await bus.js.stream_info(str(wanted.name))
    except nats.js.errors.NotFoundError:
        await bus.js.add_stream(wanted)
        return
    changes = _changes(info.config, wanted)
    if not changes.get(_NEVER_LIFTED, True):
        del changes[_NEVER_LIFTED]
    for name in _FIXED:
        if name in changes:
            raise BusError(
                f"The stream {wanted.name} exists with {name}={_plain(getattr(info.config, name))} where "
                f"{_plain(changes[name])} is needed, and changing it could delete jobs: drain it, then remove it."
            )
    if changes:
        await bus.js.update_stream(info.config.evolve(**changes))


async def keeps_erased(bus: Bus) -> bool:
    """Whether the server refuses to delete results for good, as a bus that an older release set up does."""
    info = await bus.js.stream_info(api.bucket_stream(topology.RESULTS_BUCKET))
    return bool(info.config.deny_delete)


def _changes(current: StreamConfig, wanted: StreamConfig) -> dict[str, Any]:
    """The fields of `wanted` that differ in `current`; None and False are the same to the server."""
    pairs = {name: (getattr(current, name), value) for name, value in vars(wanted).items() if value is not None}
    return {name: value for name, (found, value) in pairs.items() if (found or False) != (value or False)}


def _plain(value: object) -> object:
    return getattr(value, "value", value)
