"""When the last backup was whole, as `docqa backup` notes it beside the data."""

from pathlib import Path
from typing import Final

import msgspec

FILE_NAME: Final = "backup-status.json"


class _Status(msgspec.Struct):
    last_success_s: float = 0.0


_decoder = msgspec.json.Decoder(_Status)


def last_backup_s(data_dir: Path) -> float:
    """Seconds since 1970; 0 where no backup was made, or its note can't be read."""
    try:
        return _decoder.decode((data_dir / FILE_NAME).read_bytes()).last_success_s
    except (OSError, msgspec.DecodeError):
        return 0.0
