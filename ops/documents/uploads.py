"""Uploads files, several at a time, waits where the library is full, and follows each until it is read.

Safe to repeat: the same file is the same document, so a broken-off upload of a folder goes on where it was.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from contract.errors import DocQAError
from ops.client import Client, RefusedError, RefusedForNowError

AT_ONCE: Final = 4
_LOOKS_EVERY_S: Final = 0.5
_UNFINISHED: Final = ("queued", "reading")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file: the document, as the library shows it, or the sentence why there is none."""

    path: str
    document: dict[str, Any] = {}
    problem: str = ""

    @property
    def is_good(self) -> bool:
        return not self.problem and self.document.get("state") != "failed"


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files, and those in the folders: regular ones whose names don't begin with a dot. Raises DocQAError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(entry for entry in path.rglob("*") if _is_wanted(entry, path))
        elif path.is_file():
            found.append(path)
        else:
            raise DocQAError(f"{path}: there is no such file or folder.")
    return found


def upload_all(
    client: Client, paths: list[Path], space: str, *, wait: bool, on_change: Callable[[Path, str], None]
) -> Iterator[Outcome]:
    """Bring all files in; yields the outcomes in the order of the paths. `on_change` is called from threads."""
    with ThreadPoolExecutor(AT_ONCE, "upload") as pool:
        yield from pool.map(lambda path: _upload(client, path, space, wait, on_change), paths)


def _upload(client: Client, path: Path, space: str, wait: bool, on_change: Callable[[Path, str], None]) -> Outcome:
    try:
        document = _sent(client, path, space, on_change)
        while wait and document["state"] in _UNFINISHED:
            time.sleep(_LOOKS_EVERY_S)
            former, document = document, client.call("GET", f"/api/documents/{document['id']}")
            if _progress(document) != _progress(former):
                on_change(path, _progress(document))
        return Outcome(path=str(path), document=document)
    except OSError as error:
        return Outcome(path=str(path), problem=f"The file can't be read: {error.strerror}.")
    except RefusedError as error:
        return Outcome(path=str(path), problem=str(error))


def _progress(document: Mapping[str, Any]) -> str:
    read = document.get("pages_read", 0) if document["state"] == "reading" else 0
    return f"{document['state']}, {read} pages so far" if read else str(document["state"])


def _sent(client: Client, path: Path, space: str, on_change: Callable[[Path, str], None]) -> dict[str, Any]:
    """Upload the file; where the library is full, as soon as it says."""
    while True:
        on_change(path, "uploading")
        try:
            with path.open("rb") as file:
                # A name in another encoding is sent as it is shown: the document is worth more than its name.
                files = {"file": (os.fsencode(path.name).decode(errors="backslashreplace"), file)}
                return client.call("POST", "/api/documents", params={"space": space} if space else None, files=files)
        except RefusedForNowError as error:
            retry_after_s = int(error.document["retry_after_s"])
            on_change(path, f"waiting {retry_after_s} s: the library is full")
            time.sleep(retry_after_s)


def _is_wanted(entry: Path, folder: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in entry.relative_to(folder).parts)
    return not is_hidden and entry.is_file() and not entry.is_symlink()
