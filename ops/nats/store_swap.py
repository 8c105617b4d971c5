"""Puts a restored store in the place of the former one: at one moment, whatever is killed when.

What is to be restored is made whole in a folder of its own first. From the rename of that folder on it is decided:
whoever comes next, this restore or the next start of the server, does the rest. Before it nothing has changed.

    <nats>/restoring-*/ being made; removed by whoever comes next. Each has a name of its own: the nats-server of a
                        command that was killed may go on in it for some seconds
    <nats>/restored/    whole: store/, files/ and files.json, which says where each of them goes
    <nats>/replaced/    the former store, for the moment between two renames
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


def put(files: Mapping[Path, bytes]) -> None:
    """Write files to their places, each readable by its owner only; raises OSError."""
    for path, content in files.items():
        make_folder(path.parent, 0o700)
        write_atomically(path, content, mode=0o600)


_RESTORING: Final = "restoring-"
_RESTORED: Final = "restored"
_REPLACED: Final = "replaced"
_PLAN: Final = "files.json"


def begin(folder: Path) -> Path:
    """An empty place to make a store in, as `STORE` in what this returns."""
    make_folder(folder, 0o700)
    return Path(tempfile.mkdtemp(prefix=_RESTORING, dir=folder))


def commit(folder: Path, place: Path, files: dict[Path, bytes]) -> None:
    """Decide for what was made in the place from `begin`, with files that are written to theirs beside it."""
    plan = {str(path): content for path, content in files.items()}
    write_atomically(place / _PLAN, msgspec.json.encode(plan), mode=0o600)
    _sync_all(place)
    place.rename(folder / _RESTORED)
    sync_folder(folder)
    finish(folder)


def finish(folder: Path) -> None:
    """Do what a restore that was decided still has to do, and clear away one that never was."""
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
    put({Path(path): content for path, content in plan.items()})
    shutil.rmtree(folder / _REPLACED, ignore_errors=True)
    # By one rename it is done; until then all of this may be done again.
    done = restored.rename(folder / f"{_RESTORING}done")
    shutil.rmtree(done, ignore_errors=True)


def _sync_all(top: Path) -> None:
    for place, _, names in os.walk(top):
        for name in names:
            descriptor = os.open(Path(place) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(place))
