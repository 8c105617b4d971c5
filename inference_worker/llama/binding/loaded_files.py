"""Notices when the files that a model was loaded from are written to or replaced: llama.cpp maps them into memory."""

import re
from pathlib import Path
from typing import Final, TypeAlias

_PART: Final = re.compile(r"-\d{5}-of-(\d{5}\.gguf)$")
_Mark: TypeAlias = tuple[int, int, int]


class LoadedFiles:
    """A model's file, or all parts of it. For any thread."""

    def __init__(self, path: Path) -> None:
        """Remember size, time and inode of each file, as they are now."""
        others = path.parent.glob(_PART.sub(r"-*-of-\1", path.name)) if _PART.search(path.name) else ()
        self._marks: dict[Path, _Mark | None] = {file: _mark(file) for file in {path, *others}}

    @property
    def changed(self) -> Path | None:
        """A file that is not as it was; one that was removed does not count, as its bytes stay mapped."""
        for file, mark in self._marks.items():
            now = _mark(file)
            if now and now != mark:
                return file
        return None


def _mark(path: Path) -> _Mark | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns, seen.st_ino
