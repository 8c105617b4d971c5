"""The record of the model files in use: written with each snapshot and restore, read at each start of a worker."""

import hashlib
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from contract.errors import SettingsError
from contract.runtime.files import write_atomically

CURRENT: Final = "current.json"
Check = Literal["fast", "full", "off"]
Metadata: TypeAlias = dict[str, str | int | float | bool]


class ModelFile(msgspec.Struct, frozen=True):
    """A GGUF file as it was when it was recorded. `path` is where it is used, `source` where it came from."""

    path: str
    size_bytes: int
    changed_ns: int
    sha256: str
    source: str
    metadata: Metadata

    @property
    def name(self) -> str:
        return Path(self.path).name


def check(path: Path, root: Path, how: Check) -> None:
    """Compare a model with its record in `root`; raises SettingsError when it is another file by now.

    `fast` looks at size and time, and reads the file only where the time is another one; `full` always reads it. A
    model that was never recorded passes.
    """
    known = by_path(root)
    # Older records have the path behind a link.
    recorded = known.get(str(used_path(path))) or known.get(str(path.resolve()), [])
    if how != "off" and recorded and not any(_is_same(path, file, how) for file in recorded):
        raise SettingsError(
            f"MODEL_NAME: {path} is not the file that was recorded (SHA-256 {recorded[-1].sha256[:12]}...): "
            "`docqa models restore` brings that one back, `docqa models snapshot` records this one."
        )


def used_path(path: Path) -> Path:
    """The absolute path under which a model is used: of a link the link itself, whose name was given."""
    return path.parent.resolve() / path.name


def _is_same(path: Path, recorded: ModelFile, how: Check) -> bool:
    seen = path.stat()
    is_same = seen.st_size == recorded.size_bytes
    if is_same and (how == "full" or seen.st_mtime_ns != recorded.changed_ns):
        return hash_of(path) == recorded.sha256
    return is_same


def by_path(root: Path) -> dict[str, list[ModelFile]]:
    """The recorded files by where they are used: two where a restore was broken off between one and the other."""
    found: dict[str, list[ModelFile]] = {}
    for file in read(root):
        found.setdefault(file.path, []).append(file)
    return found


def read(root: Path) -> list[ModelFile]:
    """All recorded files; none when there is no record. Raises SettingsError for one that can't be read."""
    try:
        return msgspec.json.decode((root / CURRENT).read_bytes(), type=list[ModelFile])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError):
        raise SettingsError(
            f"DOCQA_MODEL_SNAPSHOTS: {root / CURRENT} can't be read: `docqa models snapshot` writes it again."
        ) from None


def write(root: Path, files: list[ModelFile], *, beside_former: bool = False) -> None:
    """Record these files, replacing their old entries unless `beside_former`; other entries are kept. Raises OSError.

    `beside_former` is for the time in which a file is replaced, so that a worker killed mid-replacement accepts either.
    """
    try:
        former = read(root)
    except SettingsError:
        former = []
    replaced = set() if beside_former else {file.path for file in files}
    known = [file for file in former if file.path not in replaced and file not in files]
    write_atomically(root / CURRENT, msgspec.json.format(msgspec.json.encode([*known, *files])))


def hash_of(path: Path) -> str:
    """The file's SHA-256, read anew."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
