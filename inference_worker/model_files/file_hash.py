"""SHA-256 of large files, remembered as long as a file stays as it is."""

import contextlib
import hashlib
from pathlib import Path
from typing import TypeAlias

import msgspec

from contract.runtime.files import write_atomically


class _Known(msgspec.Struct, frozen=True):
    """A file as the file system showed it when it was hashed."""

    size_bytes: int
    changed_ns: int
    inode: int
    sha256: str


_Memory: TypeAlias = dict[str, _Known]


def sha256_of(path: Path, memory_file: Path) -> str:
    """The file's hash; `memory_file` is where hashes are remembered. Raises OSError when `path` can't be read.

    Some gigabytes take seconds, which a start has not got: a file whose size, time of change and inode are those
    of the last time is taken to be the same. The time is ctime, which no program can set back.
    """
    place, seen = str(path.resolve()), path.stat()
    memory = _read(memory_file)
    known = memory.get(place)
    if known and (known.size_bytes, known.changed_ns, known.inode) == (seen.st_size, seen.st_ctime_ns, seen.st_ino):
        return known.sha256
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    memory = {other: known for other, known in memory.items() if Path(other).exists()}
    memory[place] = _Known(seen.st_size, seen.st_ctime_ns, seen.st_ino, sha256)
    # If the folder can't be written, the next start hashes again.
    with contextlib.suppress(OSError):
        write_atomically(memory_file, msgspec.json.format(msgspec.json.encode(memory)))
    return sha256


def _read(memory_file: Path) -> _Memory:
    try:
        return msgspec.json.decode(memory_file.read_bytes(), type=_Memory)
    except (OSError, msgspec.DecodeError):
        return {}
