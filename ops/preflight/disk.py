"""Checks the disk under the data folder: free space, the kind of file system, and the time of an fsync."""

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

from ops.nats import disk
from ops.preflight.context import Context
from ops.preflight.finding import Finding, failure, ok, size, warning

_PROBES: Final = 60
_PROBES_FOR_S: Final = 2.0
_PROBE: Final = bytes(4096)
_SLOW_MS: Final = 20.0
"""Typical of a spinning or busy disk. Every accepted job waits for one fsync."""

_IN_MEMORY: Final = ("tmpfs", "ramfs")


def check(context: Context) -> list[Finding]:
    folder = existing(context.settings.data_dir)
    if not os.access(folder, os.W_OK | os.X_OK):
        return [
            failure(
                "data folder",
                f"{context.settings.data_dir} cannot be written by this user",
                "Give the folder to the user who runs docqa (chown), or name another with DOCQA_DATA_DIR.",
            )
        ]
    stored_bytes = most_stored_bytes(context)
    return [
        check_room(folder, shutil.disk_usage(folder).free, stored_bytes),
        check_kind(folder, filesystem(folder)),
        check_fsync(fsyncs_ms(folder)),
    ]


def existing(folder: Path) -> Path:
    """The folder, or its nearest existing parent: a check creates nothing."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def most_stored_bytes(context: Context) -> int:
    """The most that can be stored at once: full results, full dead letters, a full queue of the largest jobs."""
    settings = context.settings
    queue_bytes = settings.queue_size * settings.max_request_size_mb * 2**20
    return settings.results_max_bytes + settings.dead_max_bytes + queue_bytes


def check_room(folder: Path, free_bytes: int, stored_bytes: int) -> Finding:
    detail = f"{size(free_bytes)} free under {folder}, at most {size(stored_bytes)} are stored"
    cure = "Free space, put DOCQA_DATA_DIR on another disk, or lower DOCQA_RESULTS_MAX_BYTES and DOCQA_DEAD_MAX_BYTES."
    if free_bytes < disk.ROOM_BYTES:
        return failure("disk space", f"{detail}: the bus does not start with less than {size(disk.ROOM_BYTES)}", cure)
    if free_bytes < stored_bytes:
        return warning("disk space", f"{detail}: a full disk would stop the bus", cure)
    return ok("disk space", detail)


def check_kind(folder: Path, kind: str) -> Finding:
    if kind in _IN_MEMORY:
        return warning(
            "disk kind",
            f"{folder} is {kind}: what was accepted is gone after a reboot",
            "Put DOCQA_DATA_DIR on a disk.",
        )
    return ok("disk kind", kind or "unknown")


def filesystem(folder: Path) -> str:
    """The type of the folder's file system, as Linux names it."""
    held = [mount for mount in psutil.disk_partitions(all=True) if folder.is_relative_to(mount.mountpoint)]
    return str(max(held, key=lambda mount: len(mount.mountpoint)).fstype) if held else ""


def fsyncs_ms(folder: Path) -> list[float]:
    """The times of small synced writes, in ms. The file has no name, so that nothing is left behind."""
    taken_ms: list[float] = []
    started_at_s = time.monotonic()
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        while len(taken_ms) < _PROBES and time.monotonic() - started_at_s < _PROBES_FOR_S:
            started_s = time.perf_counter()
            file.write(_PROBE)
            os.fsync(file.fileno())
            taken_ms.append((time.perf_counter() - started_s) * 1000)
    return taken_ms


def check_fsync(taken_ms: list[float]) -> Finding:
    middle, worst = statistics.median(taken_ms), max(taken_ms)
    detail = f"median {middle:.2f} ms, worst {worst:.1f} ms in {len(taken_ms)} writes"
    if middle > _SLOW_MS:
        return warning(
            "fsync",
            f"{detail}: every accepted job waits for one",
            "Put DOCQA_DATA_DIR on a faster disk (an SSD, a local volume), or find out what else writes there.",
        )
    return ok("fsync", detail)
