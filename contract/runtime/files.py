"""Writes files atomically and creates folders with safe permissions."""

import os
from pathlib import Path


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace the file `path`: a reader sees the old content or the new, even after a power cut."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    # A killed writer may have left one, with another mode, which opening would keep.
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
    """Make a folder; missing parents are made for their owner only, while mkdir would open them to everyone."""
    if not folder.is_dir():
        make_folder(folder.parent, 0o700)
        folder.mkdir(mode=mode, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, which makes a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
