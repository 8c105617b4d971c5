"""Brings a backup back: into the store of a bus that does not run, or into one that somebody else runs.

A store of ours is made anew beside the former one and takes its place at one moment. A bus that somebody else runs can
only be changed stream by stream: it takes no jobs meanwhile, and says so until the restore has come to its end.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from contract import topology
from contract.bus import Bus, restore_mark
from contract.bus.provision import provision
from contract.errors import (
    AlreadyRunningError,
    BusUnavailableError,
    DocQAError,
    NotProvisionedError,
    OutcomeUnknownError,
)
from contract.runtime.files import make_folder
from ops.backup import archive, side_files, stream_snapshots
from ops.backup.archive import Manifest
from ops.backup.create import Request, create
from ops.backup.source import at_rest, check_owner, has_store
from ops.backup.stream_snapshots import State
from ops.backup.trial import check, try_out
from ops.nats import address, store_swap, stuck_jobs
from ops.nats import config as nats_config
from ops.nats.admin import admin_bus
from ops.nats.scratch_server import serving
from ops.supervisor.data_dir import claimed

_LED_WITHIN_S: Final = 30.0
_ASKS_AGAIN_AFTER_S: Final = 0.2


class Outcome(msgspec.Struct, frozen=True):
    """What a restore did. `before` is the backup that was made of what it replaced."""

    streams: dict[str, int]
    at_s: float
    before: Path | None = None
    waiting: int = 0


async def restore(path: Path, manifest: Manifest, request: Request, *, replace: bool) -> Outcome:
    """Raises DocQAError; then what was there before is still there, or the next try goes on."""
    if request.environment.get("DOCQA_NATS_URL"):
        return await _into_a_running_bus(path, manifest, request, replace=replace)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(claimed(request.settings.data_dir))
        except AlreadyRunningError as error:
            raise AlreadyRunningError(f"{str(error).partition(':')[0]}: stop it before a restore.") from None
        check_owner(request.settings.data_dir)
        return await _into_a_store(path, manifest, request, replace=replace)


async def _into_a_store(path: Path, manifest: Manifest, request: Request, *, replace: bool) -> Outcome:
    folder = address.bus_folder(request.settings.data_dir)
    make_folder(folder, 0o700)
    store_swap.finish(folder)
    before = None
    if has_store(folder):
        async with at_rest(request.settings, request.folder.place("former")) as bus:
            before = await _saved_first(bus, request, replace=replace)
    place = store_swap.begin(folder)
    # Nobody but this command knows the store that is made: it is killed, or fills its disk, and nothing has changed.
    try:
        async with serving(request.folder.place("made"), request.settings, place / nats_config.STORE) as bus:
            outcome = await _fill(bus, path, manifest, request)
        store_swap.commit(folder, place, _files(path, manifest, request, replace=replace))
    except BaseException:
        # Where the disk is full, what was made so far must not stay on it.
        store_swap.finish(folder)
        raise
    return msgspec.structs.replace(outcome, before=before)


async def _into_a_running_bus(path: Path, manifest: Manifest, request: Request, *, replace: bool) -> Outcome:
    async with admin_bus(request.environment, request.settings.data_dir) as bus:
        names = await stream_snapshots.names(bus)
        # Then what is there is neither the one nor the other, and a backup of the former was made before.
        was_broken_off = await restore_mark.is_unfinished(bus)
        before = None if was_broken_off else await _saved_first(bus, request, replace=replace)
        if not was_broken_off:
            await provision(bus, request.settings)
            await try_out(path, manifest.streams, request.settings, request.folder.place("trial"), request.console)
        await restore_mark.note_unfinished(bus, is_unfinished=True)
        # Without this one nobody puts in or takes out anything until the last step.
        for name in sorted(names, key=lambda name: name != topology.JOBS_STREAM):
            if name != f"KV_{topology.META_BUCKET}":
                await stream_snapshots.delete(bus, name)
        outcome = await _fill(bus, path, manifest, request)
        store_swap.put(_files(path, manifest, request, replace=replace))
        await restore_mark.note_unfinished(bus, is_unfinished=False)
    return msgspec.structs.replace(outcome, before=before)


async def _saved_first(bus: Bus, request: Request, *, replace: bool) -> Path | None:
    """A backup of what is there, if that is anything; raises DocQAError when it is not to be replaced."""
    states = {name: await stream_snapshots.state(bus, name) for name in await stream_snapshots.names(bus)}
    held = {name: state.messages for name, state in states.items() if state.messages}
    held.pop(f"KV_{topology.META_BUCKET}", None)
    if not held:
        return None
    if not replace:
        listed = ", ".join(f"{count} in {name}" for name, count in held.items())
        raise DocQAError(
            f"There is data already ({listed}): --replace takes a backup of it, then puts this in its place."
        )
    request.console.work("Backing up what is there")
    return await create(bus, request)


async def _fill(bus: Bus, path: Path, manifest: Manifest, request: Request) -> Outcome:
    """Restore all streams, the jobs last; then what the services rely on, and the mark."""
    states: dict[str, State] = {}
    for number, stream in enumerate(reversed(manifest.streams), 1):
        request.console.work(f"Restoring {stream.name} ({number} of {len(manifest.streams)})")
        config = {**stream.taken.config, "num_replicas": request.settings.replicas}
        taken = msgspec.structs.replace(stream.taken, config=config)
        states[stream.name] = await stream_snapshots.restore(bus, taken, archive.pieces_of(path, stream.member))
        check(path, msgspec.structs.replace(stream, restored=None), states[stream.name])
    jobs, at_s = states[topology.JOBS_STREAM], time.time()
    await _patiently(lambda: provision(bus, request.settings, amid_restore=True))
    await _patiently(lambda: restore_mark.write(bus, restore_mark.Restored(at_s, jobs.last_seq)))
    # The durable is saved after its stream and may be ahead of it: such a job would never be delivered.
    await _patiently(lambda: stuck_jobs.deliver_anew(bus))
    counts = {stream.name: states[stream.name].messages for stream in manifest.streams}
    return Outcome(counts, at_s, waiting=jobs.messages)


async def _patiently(step: Callable[[], Awaitable[None]]) -> None:
    """Do what may be done again until somebody answers: a cluster chooses first who leads what was restored."""
    end_s = time.monotonic() + _LED_WITHIN_S
    while True:
        try:
            return await step()
        except (BusUnavailableError, NotProvisionedError, OutcomeUnknownError):
            if time.monotonic() > end_s:
                raise
        await asyncio.sleep(_ASKS_AGAIN_AFTER_S)


def _files(path: Path, manifest: Manifest, request: Request, *, replace: bool) -> dict[Path, bytes]:
    """The backup's files and their places; those that are there stay, unless they are to be replaced."""
    found = {}
    for kind, member in manifest.files.items():
        place = side_files.place_of(kind, request.settings)
        if place and (replace or not place.exists()):
            found[place] = b"".join(archive.pieces_of(path, member))
    return found
