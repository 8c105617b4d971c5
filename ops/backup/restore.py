"""Restores a backup: into the store of a stopped embedded bus, or into an external bus.

An embedded store is built anew beside the former one and replaces it in a single step. An external bus can only be
changed stream by stream: it accepts no jobs meanwhile, and is marked as unfinished until the restore ends.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from contract import topology
from contract.bus import Bus, api, restore_mark
from contract.bus.provision import provision
from contract.bus.stream_info import StreamState
from contract.errors import (
    AlreadyRunningError,
    BusUnavailableError,
    DocQAError,
    NotProvisionedError,
    OutcomeUnknownError,
)
from contract.runtime.files import make_folder
from ops.backup import archive, library_files, side_files, stream_snapshots
from ops.backup.archive import Manifest
from ops.backup.create import Request, create
from ops.backup.source import at_rest, check_owner, has_store
from ops.backup.trial import check, try_out
from ops.nats import address, store_swap, stuck_jobs
from ops.nats import config as nats_config
from ops.nats.admin import admin_bus
from ops.nats.scratch_server import serving
from ops.supervisor.data_dir import locked

_LEADER_WITHIN_S: Final = 30.0
_RETRIES_AFTER_S: Final = 0.2


class Outcome(msgspec.Struct, frozen=True):
    """What a restore did. `before` is the backup of the data that it replaced."""

    streams: dict[str, int]
    at_s: float
    before: Path | None = None
    waiting: int = 0


async def restore(path: Path, manifest: Manifest, request: Request, *, replace: bool) -> Outcome:
    """Raises DocQAError; then the former data is still there, or the next attempt continues."""
    if manifest.library:
        library_files.check_free(request.settings.data_dir, replace=replace)
    outcome = await restore_bus(path, manifest, request, replace=replace)
    restore_documents(path, manifest, request, replace=replace)
    return outcome


def restore_documents(path: Path, manifest: Manifest, request: Request, *, replace: bool) -> None:
    """The library's part alone; raises DocQAError while a library runs on the folder."""
    if manifest.library:
        library_files.check_free(request.settings.data_dir, replace=replace)
        request.console.work("Restoring the documents")
        library_files.restore(path, manifest.library, request.settings.data_dir)


async def restore_bus(path: Path, manifest: Manifest, request: Request, *, replace: bool) -> Outcome:
    """Streams, buckets and the files beside them, without the documents; raises DocQAError as `restore` does."""
    if request.environment.get("DOCQA_NATS_URL"):
        return await _into_a_running_bus(path, manifest, request, replace=replace)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(request.settings.data_dir))
        except AlreadyRunningError as error:
            raise AlreadyRunningError(f"{str(error).partition(':')[0]}: stop it before restoring.") from None
        check_owner(request.settings.data_dir)
        return await _into_a_store(path, manifest, request, replace=replace)


async def _into_a_store(path: Path, manifest: Manifest, request: Request, *, replace: bool) -> Outcome:
    folder = address.bus_folder(request.settings.data_dir)
    make_folder(folder, 0o700)
    store_swap.finish(folder)
    before = None
    if has_store(folder):
        async with at_rest(request.settings, request.folder.work_folder("former")) as bus:
            before = await _saved_first(bus, request, replace=replace)
    work = store_swap.begin(folder)
    # Only this command knows the new store: if it is killed or fills the disk, nothing has changed.
    try:
        async with serving(request.folder.work_folder("built"), request.settings, work / nats_config.STORE) as bus:
            outcome = await _fill(bus, path, manifest, request)
        store_swap.commit(folder, work, _files(path, manifest, request, replace=replace))
    except BaseException:
        # On a full disk the unfinished store must not stay.
        store_swap.finish(folder)
        raise
    return msgspec.structs.replace(outcome, before=before)


async def _into_a_running_bus(path: Path, manifest: Manifest, request: Request, *, replace: bool) -> Outcome:
    async with admin_bus(request.environment, request.settings.data_dir) as bus:
        names = await stream_snapshots.names(bus)
        # After an interrupted restore the data is incomplete, and a backup of the former data exists already.
        was_interrupted = await restore_mark.is_unfinished(bus)
        before = None if was_interrupted else await _saved_first(bus, request, replace=replace)
        if not was_interrupted:
            await provision(bus, request.settings)
            await try_out(
                path, manifest.streams, request.settings, request.folder.work_folder("trial"), request.console
            )
        await _retried(lambda: restore_mark.note_unfinished(bus, is_unfinished=True))
        # Deleting the jobs first keeps everyone from adding or taking any until the last step.
        for name in sorted(names, key=lambda name: name != topology.JOBS_STREAM):
            if name != api.bucket_stream(topology.META_BUCKET):
                await stream_snapshots.delete(bus, name)
        outcome = await _fill(bus, path, manifest, request)
        store_swap.write_files(_files(path, manifest, request, replace=replace))
        await _retried(lambda: restore_mark.note_unfinished(bus, is_unfinished=False))
    return msgspec.structs.replace(outcome, before=before)


async def _saved_first(bus: Bus, request: Request, *, replace: bool) -> Path | None:
    """Back up existing data, if any; raises DocQAError unless it may be replaced."""
    states = {name: await stream_snapshots.state(bus, name) for name in await stream_snapshots.names(bus)}
    held = {name: state.messages for name, state in states.items() if state.messages}
    held.pop(api.bucket_stream(topology.META_BUCKET), None)
    if not held:
        return None
    if not replace:
        listed = ", ".join(f"{count} in {name}" for name, count in held.items())
        raise DocQAError(
            f"There is data already ({listed}): --replace backs it up, then restores this backup in its place."
        )
    request.console.work("Backing up the existing data")
    return await create(bus, request)


async def _fill(bus: Bus, path: Path, manifest: Manifest, request: Request) -> Outcome:
    """Restore all streams, the jobs last; then provision, and record the time of the restore."""
    states: dict[str, StreamState] = {}
    for number, stream in enumerate(reversed(manifest.streams), 1):
        request.console.work(f"Restoring {stream.name} ({number} of {len(manifest.streams)})")
        # Backups of older versions deny deletions for good, and the library overwrites what it erases.
        denied = {"deny_delete": False} if stream.name == f"KV_{topology.RESULTS_BUCKET}" else {}
        config = {**stream.taken.config, **denied, "num_replicas": request.settings.replicas}
        taken = msgspec.structs.replace(stream.taken, config=config)
        states[stream.name] = await stream_snapshots.restore(bus, taken, archive.pieces_of(path, stream.member))
        check(path, msgspec.structs.replace(stream, restored=None), states[stream.name])
    jobs, at_s = states[topology.JOBS_STREAM], time.time()
    await _retried(lambda: provision(bus, request.settings, amid_restore=True))
    await _retried(lambda: restore_mark.write(bus, restore_mark.Restored(at_s, jobs.last_seq)))
    # The consumer is saved after its stream and may be ahead of it: such a job would never be delivered.
    await _retried(lambda: stuck_jobs.redeliver_all(bus))
    counts = {stream.name: states[stream.name].messages for stream in manifest.streams}
    return Outcome(counts, at_s, waiting=jobs.messages)


async def _retried(step: Callable[[], Awaitable[None]]) -> None:
    """Retry a repeatable step: a cluster first elects leaders for the restored streams."""
    end_s = time.monotonic() + _LEADER_WITHIN_S
    while True:
        try:
            return await step()
        except (BusUnavailableError, NotProvisionedError, OutcomeUnknownError):
            if time.monotonic() > end_s:
                raise
        await asyncio.sleep(_RETRIES_AFTER_S)


def _files(path: Path, manifest: Manifest, request: Request, *, replace: bool) -> dict[Path, bytes]:
    """The backup's side files by their paths; existing files stay unless they may be replaced."""
    found = {}
    for kind, member in manifest.files.items():
        target = side_files.path_of(kind, request.settings)
        if target and (replace or not target.exists()):
            found[target] = b"".join(archive.pieces_of(path, member))
    return found
