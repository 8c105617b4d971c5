"""When a backup last succeeded: written by `docqa backup` into the data folder, read by the ingress for its metrics."""

from pathlib import Path
from typing import Final

import msgspec

from contract.runtime.files import write_atomically

FILE_NAME: Final = "backup-status.json"


class BackupStatus(msgspec.Struct, frozen=True):
    """The last whole backup: its time (Unix seconds, wall clock), its file and that file's size in bytes."""

    last_success_s: float = 0.0
    file: str = ""
    bytes: int = 0


_decoder = msgspec.json.Decoder(BackupStatus)


def read(data_dir: Path) -> BackupStatus:
    """The status in this data folder; all zero where no backup was made or its file can't be read."""
    try:
        return _decoder.decode((data_dir / FILE_NAME).read_bytes())
    except (OSError, msgspec.DecodeError):
        return BackupStatus()


def write(data_dir: Path, status: BackupStatus) -> None:
    """Replace the status; raises OSError."""
    write_atomically(data_dir / FILE_NAME, msgspec.json.encode(status) + b"\n")
