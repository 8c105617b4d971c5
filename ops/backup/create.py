"""Creates a backup of a message bus: saves all streams in an order that loses nothing, verifies it, then names it.

Jobs are saved before results: a job that ends in between is in both, never in neither. A dead letter is written before
its job's failure, so the dead letters are saved again if one was added meanwhile: no failure is saved without its
letter.
"""

import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from contract import topology
from contract.bus import Bus, api
from contract.errors import DocQAError
from contract.settings import KNOWN_NAMES, SECRET_NAMES, Secret
from ops.backup import library_files, side_files, stream_snapshots
from ops.backup.archive import Manifest, Stream, Writer
from ops.backup.catalog import BackupFolder
from ops.backup.trial import try_out
from ops.console import Console
from ops.settings import BackupSettings

_FIRST: Final = (topology.JOBS_STREAM, topology.DEAD_STREAM, api.bucket_stream(topology.RESULTS_BUCKET))
_LEFT_OUT: Final = (api.bucket_stream(topology.META_BUCKET),)
"""DOCQA_META describes one store; it is never restored into another."""
_MAY_CONTAIN_SECRETS: Final = ("DOCQA_BACKUP_HOOK", "DOCQA_NATS_URL")
"""Settings that are not secrets themselves, but may contain one."""


class Request(msgspec.Struct, frozen=True):
    """What all backup commands work with."""

    settings: BackupSettings
    environment: Mapping[str, str]
    folder: BackupFolder
    console: Console
    is_verified: bool = True


async def create(bus: Bus, request: Request) -> Path:
    """Create a backup and return its path; the caller has locked the folder. Raises DocQAError and leaves nothing."""
    try:
        with request.folder.writing() as (file, path):
            created_s = time.time()
            await _write(bus, request, file, path, created_s)
            return request.folder.keep(file, path, created_s)
    except OSError as error:
        raise DocQAError(
            f"Cannot write the backup into {request.folder.folder}: {error.strerror or error}. "
            "Earlier backups are unchanged."
        ) from None


async def _write(bus: Bus, request: Request, file: BinaryIO, path: Path, created_s: float) -> None:
    writer = Writer(file)
    streams = await _save_all(bus, writer, request.console)
    request.console.work("Saving the documents")
    library = await library_files.save(bus, writer, request.settings.data_dir, request.folder.work_folder("documents"))
    present = side_files.present(request.settings)
    files = {kind: writer.add(f"config/{kind}", content) for kind, content in present.items()}
    if request.is_verified:
        file.flush()
        work = request.folder.work_folder("trial")
        streams = await try_out(path, streams, request.settings, work, request.console)
        if library:
            library_files.check(path, library, work)
    writer.finish(
        Manifest(
            created_s=created_s,
            docqa_version=version("goblin-docqa"),
            nats_version=_version(bus),
            settings=described(request.settings, request.environment),
            streams=streams,
            files=files,
            library=library,
        )
    )


async def _save_all(bus: Bus, writer: Writer, console: Console) -> list[Stream]:
    saved: dict[str, Stream] = {}
    names = in_order(await stream_snapshots.names(bus))
    if topology.JOBS_STREAM not in names:
        raise DocQAError("The message bus has no stream for jobs: there is nothing to back up.")
    for number, name in enumerate(names, 1):
        console.work(f"Saving {name} ({number} of {len(names)})")
        saved[name] = await _save(bus, writer, f"streams/{number:02}-{name}", name)
    dead = saved.get(topology.DEAD_STREAM)
    if dead and (await stream_snapshots.state(bus, dead.name)).last_seq != dead.taken.state.last_seq:
        saved[dead.name] = await _save(bus, writer, f"streams/{len(names) + 1:02}-{dead.name}", dead.name)
    return list(saved.values())


async def _save(bus: Bus, writer: Writer, member: str, stream: str) -> Stream:
    with writer.member(member) as pieces:
        taken = await stream_snapshots.save(bus, stream, pieces.write)
    return Stream(pieces.member, taken)


def in_order(names: list[str]) -> list[str]:
    """All streams to save, those with a fixed order first."""
    first = [name for name in _FIRST if name in names]
    return first + [name for name in sorted(names) if name not in (*_FIRST, *_LEFT_OUT)]


def described(settings: BackupSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """The command's settings and all others that are set; of a secret only its name."""
    known: dict[str, Any] = {name: environment[name] for name in sorted(KNOWN_NAMES) if environment.get(name)}
    for info in msgspec.structs.fields(BackupSettings):
        value = getattr(settings, info.name)
        if value is not None and not isinstance(value, Secret):
            known[info.encode_name] = value
    shown = {name: "" if name in SECRET_NAMES else str(value) for name, value in known.items()}
    return {name: value for name, value in shown.items() if name not in _MAY_CONTAIN_SECRETS}


def _version(bus: Bus) -> str:
    version = bus.client.connected_server_version
    return f"{version.major}.{version.minor}.{version.patch}"
