"""The data folder: created with access for its owner only, locked by one `docqa` process at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from contract.errors import AlreadyRunningError, SettingsError
from contract.runtime.files import make_folder
from contract.runtime.lock import FileLock


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Lock the folder for the time of a block; raises AlreadyRunningError that names the process holding the lock."""
    lock = FileLock(data_dir / "docqa.lock")
    try:
        make_folder(data_dir, 0o700)
        lock.acquire()
    except AlreadyRunningError:
        raise AlreadyRunningError(
            f"Process {lock.holder() or 'unknown'} already runs on {data_dir}: stop it, or choose another --data-dir."
        ) from None
    except OSError as error:
        raise SettingsError(f"DOCQA_DATA_DIR: cannot use {data_dir}: {error.strerror}.") from None
    try:
        yield
    finally:
        lock.release()
