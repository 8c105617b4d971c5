"""Who may read and write which space: what the file of grants says, now. Knows no document.

A client's own space needs no grant. Where no tokens are in use, the one user of the HTTP interface may read and write
all that is shared, and read `root`.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
import structlog

from contract.errors import LibraryRefusedError
from contract.grants_file import GrantsFile, GrantsFileError, decode
from contract.topology import HTTP_PUBLISHER, ROOT_SPACE, LibraryAddress
from library.store.scope import Scope

ANONYMOUS: Final = "local"
"""The client that everybody is over HTTP where no token is set."""

log = structlog.get_logger(__name__)


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What one client may do at this moment."""

    own: str
    """Its own space."""
    readable: frozenset[str]
    """Shared spaces, and its own."""
    writable: frozenset[str]
    root: tuple[str, ...] = ()
    """Folders of `root` that it may read; an empty name is all of it."""

    def can_read(self, space: str, name: str) -> bool:
        """A document of this name in this space."""
        if space != ROOT_SPACE:
            return space in self.readable
        return any(not folder or name == folder or name.startswith(f"{folder}/") for folder in self.root)

    def can_write(self, space: str) -> bool:
        return space in self.writable

    def named(self, space: str) -> str:
        """The full name of a space that a request names; raises LibraryRefusedError where it may not be read."""
        full = space or self.own
        if full in self.readable or (full == ROOT_SPACE and self.root):
            return full
        raise LibraryRefusedError("space-gone", f"There is no space `{space}`: `docqa spaces list` shows yours.")

    def everything(self) -> Scope:
        """All that may be read."""
        root = self.of_root()
        return Scope(spaces=(*sorted(self.readable), *root.spaces), folders=root.folders)

    def of_root(self, path: str = "") -> Scope:
        """What may be read of `root`, below a file or folder of it where one is named."""
        path = path.strip("/")
        if not path:
            is_all = "" in self.root
            return Scope(spaces=(ROOT_SPACE,)) if is_all else Scope(folders=self.root)
        if self.can_read(ROOT_SPACE, path):
            return Scope(folders=(path,))
        return Scope(folders=tuple(folder for folder in self.root if folder.startswith(f"{path}/")))

    @property
    def spaces(self) -> list[str]:
        """All names that may be read."""
        return sorted(self.readable) + ([ROOT_SPACE] if self.root else [])


class Access:
    """Reads the file of grants again when it changes. One that can't be used grants nothing."""

    def __init__(self, path: Path, *, has_tokens: bool) -> None:
        self._path = path
        self._has_tokens = has_tokens
        self._seen: tuple[int, int, int] | None = None
        self._file = GrantsFile()

    def rights(self, address: LibraryAddress) -> Rights:
        """Of the client that a request comes from."""
        file = self._current()
        own = address.space
        if self._is_one_user(address):
            shared = frozenset(file.spaces) | {own}
            return Rights(own=own, readable=shared, writable=shared, root=("",))
        grants = file.of(address.publisher, address.client)
        shared_grants = [grant for grant in grants if not _is_root(grant.space)]
        return Rights(
            own=own,
            readable=frozenset(grant.space for grant in shared_grants) | {own},
            writable=frozenset(grant.space for grant in shared_grants if grant.access == "write") | {own},
            root=tuple(grant.space.removeprefix(ROOT_SPACE).strip("/") for grant in grants if _is_root(grant.space)),
        )

    def _is_one_user(self, address: LibraryAddress) -> bool:
        return not self._has_tokens and (address.publisher, address.client) == (HTTP_PUBLISHER, ANONYMOUS)

    def _current(self) -> GrantsFile:
        try:
            status = os.stat(self._path)
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._file = decode(self._path.read_bytes())
                self._seen = seen
        except FileNotFoundError:
            self._file, self._seen = GrantsFile(), None
        except (GrantsFileError, OSError) as error:
            log.warning("the file of grants can't be used: nothing is shared", error=str(error))
            self._file, self._seen = GrantsFile(), None
        return self._file


def _is_root(space: str) -> bool:
    return space == ROOT_SPACE or space.startswith(f"{ROOT_SPACE}/")
