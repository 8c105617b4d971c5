"""The list of direct publishers: one file of credentials each, in the data folder, readable by its owner alone.

Knows names and passwords; `accounts` knows what a publisher may do, and `reload` brings a change to a running server.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from contract import topology
from contract.errors import AlreadyRunningError, BadNameError, DocQAError
from contract.runtime.files import make_folder, write_atomically
from contract.runtime.lock import FileLock
from ops.nats.accounts import publisher_user

_PASSWORD_BYTES: Final = 32
_LOCKED_WITHIN_S: Final = 30.0
"""Longer than a start of the server or a change of the list takes."""


class Publisher(msgspec.Struct, frozen=True):
    """The content of a file: all that a NATS client needs. `url` is the last address of the message bus."""

    url: str
    user: str
    password: str


class UnknownPublisherError(DocQAError):
    """There is no such publisher."""


class PublisherList:
    """The folder of files. It is locked while the list changes or a server starts from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Lock the list for the time of a block; raises AlreadyRunningError after 30 s."""
        lock = FileLock(self.folder.with_suffix(".lock"))
        if not await lock.acquire_within(_LOCKED_WITHIN_S):
            raise AlreadyRunningError(f"Process {lock.holder()} has locked the list of publishers: try again.")
        try:
            yield
        finally:
            lock.release()

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.json") if is_free_name(path.stem))

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def passwords(self) -> dict[str, str]:
        """All publishers' passwords by name."""
        return {name: self.read(name).password for name in self.names()}

    def read(self, name: str) -> Publisher:
        """Raises UnknownPublisherError, and DocQAError for a file that was changed by hand."""
        try:
            return msgspec.json.decode(self.path(name).read_bytes(), type=Publisher)
        except FileNotFoundError:
            raise UnknownPublisherError(f"There is no publisher {name}: `docqa publishers list` shows all.") from None
        except msgspec.DecodeError:
            raise DocQAError(
                f"{self.path(name)} was changed and cannot be read: remove {name} and add it again."
            ) from None

    def add(self, name: str, url: str) -> Publisher:
        """Create a publisher with a random password; raises BadNameError, and DocQAError for a name in use."""
        if not is_free_name(name):
            raise BadNameError(
                f"A publisher's name must match [a-z0-9_-]{{1,64}}; `{topology.HTTP_PUBLISHER}` belongs to the ingress."
            )
        if self.path(name).exists():
            raise DocQAError(f"{name} exists already: its credentials are in {self.path(name)}.")
        make_folder(self.folder, 0o700)
        publisher = Publisher(url, publisher_user(name), secrets.token_hex(_PASSWORD_BYTES))
        self._write(name, publisher)
        return publisher

    def remove(self, name: str) -> None:
        """Raises UnknownPublisherError."""
        if name not in self.names():
            raise UnknownPublisherError(f"There is no publisher {name}: `docqa publishers list` shows all.")
        self.path(name).unlink()

    def record_url(self, url: str) -> None:
        """Write the address of the message bus into all files."""
        for name in self.names():
            if (publisher := self.read(name)).url != url:
                self._write(name, msgspec.structs.replace(publisher, url=url))

    def _write(self, name: str, publisher: Publisher) -> None:
        content = msgspec.json.format(msgspec.json.encode(publisher))
        write_atomically(self.path(name), content + b"\n", mode=0o600)


def is_free_name(name: str) -> bool:
    """True if a direct publisher may have this name."""
    return topology.is_name(name) and name != topology.HTTP_PUBLISHER
