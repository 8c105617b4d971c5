"""Files that are either whole or not there."""

import os
from pathlib import Path


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace `path` by `content`: a reader sees the old file or the new one, also after a power cut."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    # A killed writer's, whose mode may be another: opening it again would keep that.
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make a folder, and its missing parents for their owner only: mkdir opens those to everybody."""
    if not folder.is_dir():
        make_folder(folder.parent, 0o700)
        folder.mkdir(mode=mode, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk: a rename is on it only after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
