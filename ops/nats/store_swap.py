"""Replaces the store by a restored one in a single step, whatever is killed at any moment.

The restored store is built in a folder of its own first. The rename of that folder is the commit point: after it the
next start of the server finishes the replacement; before it nothing has changed.

    <nats>/restoring-*/ being built; removed by the next restore or start. Each has its own name, because the
                        nats-server of a killed command may go on writing there for some seconds
    <nats>/restored/    complete: store/, and files.json with the other files and their paths
    <nats>/replaced/    the former store, between two renames
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from contract.runtime.files import make_folder, sync_folder, write_atomically
from ops.nats.config import STORE


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write files to these paths, each readable by its owner only; raises OSError."""
    for path, content in files.items():
        make_folder(path.parent, 0o700)
        write_atomically(path, content, mode=0o600)


_RESTORING: Final = "restoring-"
_RESTORED: Final = "restored"
_REPLACED: Final = "replaced"
_PLAN: Final = "files.json"


def begin(folder: Path) -> Path:
    """Create and return an empty folder; build the store as `STORE` inside it."""
    make_folder(folder, 0o700)
    return Path(tempfile.mkdtemp(prefix=_RESTORING, dir=folder))


def commit(folder: Path, work: Path, files: dict[Path, bytes]) -> None:
    """Commit the folder from `begin`, with other files to be written to their paths."""
    plan = {str(path): content for path, content in files.items()}
    write_atomically(work / _PLAN, msgspec.json.encode(plan), mode=0o600)
    _sync_all(work)
    work.rename(folder / _RESTORED)
    sync_folder(folder)
    finish(folder)


def finish(folder: Path) -> None:
    """Finish a committed restore, and remove an uncommitted one."""
    restored, store = folder / _RESTORED, folder / STORE
    for left in folder.glob(f"{_RESTORING}*"):
        shutil.rmtree(left, ignore_errors=True)
    if not restored.exists():
        return
    if (restored / STORE).exists():
        if store.exists():
            shutil.rmtree(folder / _REPLACED, ignore_errors=True)
            store.rename(folder / _REPLACED)
        (restored / STORE).rename(store)
        sync_folder(folder)
    plan = msgspec.json.decode((restored / _PLAN).read_bytes(), type=dict[str, bytes])
    write_files({Path(path): content for path, content in plan.items()})
    shutil.rmtree(folder / _REPLACED, ignore_errors=True)
    # This rename ends the restore; until then all steps above can be repeated.
    done = restored.rename(folder / f"{_RESTORING}done")
    shutil.rmtree(done, ignore_errors=True)


def _sync_all(top: Path) -> None:
    for folder, _, names in os.walk(top):
        for name in names:
            descriptor = os.open(Path(folder) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(folder))
