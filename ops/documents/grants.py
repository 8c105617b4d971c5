"""Changes the library's file of grants, one writer at a time; the library reads it for every request."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from contract.documents import GRANTS_FILE, LIBRARY_FOLDER
from contract.errors import AlreadyRunningError, DocQAError
from contract.grants_file import Access, Grant, GrantsFile, decode, encode, is_shared_space
from contract.runtime.files import make_folder, write_atomically
from contract.runtime.lock import FileLock


class Grants:
    """What the file says, and its changes; raises DocQAError with a sentence where a change makes no sense."""

    def __init__(self, file: GrantsFile) -> None:
        self.file = file

    def create(self, space: str) -> None:
        if not is_shared_space(space):
            raise DocQAError("A space's name has 1 to 64 characters of a-z, 0-9, _ and -, and is not root.")
        if space in self.file.spaces:
            raise DocQAError(f"The space {space} is there already.")
        self.file = msgspec.structs.replace(self.file, spaces=(*self.file.spaces, space))

    def grant(self, publisher: str, client: str, space: str, access: Access) -> Grant:
        """In place of what the client had in this very space or folder before."""
        space = space.rstrip("/")
        if is_shared_space(space) and space not in self.file.spaces:
            raise DocQAError(f"There is no space {space}: `docqa spaces create {space}` makes it.")
        try:
            given = Grant(publisher=publisher, client=client, space=space, access=access)
        except ValueError as error:
            sentence = str(error)
            raise DocQAError(f"{sentence[0].upper()}{sentence[1:]}.") from None
        others = (one for one in self.file.grants if not _is_of(one, publisher, client, space))
        self.file = msgspec.structs.replace(self.file, grants=(*others, given))
        return given

    def revoke(self, publisher: str, client: str, space: str) -> Grant:
        space = space.rstrip("/")
        gone = [one for one in self.file.grants if _is_of(one, publisher, client, space)]
        if not gone:
            raise DocQAError(f"{client} of {publisher} has no grant on {space}: `docqa spaces list` shows all.")
        kept = tuple(one for one in self.file.grants if one not in gone)
        self.file = msgspec.structs.replace(self.file, grants=kept)
        return gone[0]

    def by_space(self) -> dict[str, list[Grant]]:
        """Every shared space and every granted folder of `root`, with its grants."""
        found: dict[str, list[Grant]] = {space: [] for space in self.file.spaces}
        for one in self.file.grants:
            found.setdefault(one.space, []).append(one)
        return found


def path_of(data_dir: Path) -> Path:
    """Of the file, in the library's folder."""
    return data_dir.expanduser().absolute() / LIBRARY_FOLDER / GRANTS_FILE


def read(path: Path) -> Grants:
    """Raises GrantsFileError."""
    try:
        return Grants(decode(path.read_bytes()))
    except FileNotFoundError:
        return Grants(GrantsFile())


@contextlib.contextmanager
def changing(path: Path) -> Iterator[Grants]:
    """The file's grants, written back if the block ends without an error."""
    make_folder(path.parent, 0o700)
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire()
    except AlreadyRunningError:
        raise AlreadyRunningError(f"Process {lock.holder() or 'unknown'} is changing {path}: try again.") from None
    try:
        grants = read(path)
        yield grants
        write_atomically(path, encode(grants.file), mode=0o600)
        _give_to_owner(path)
    finally:
        lock.release()


def _give_to_owner(path: Path) -> None:
    """The library may run as another user than the administrator: the file is whose the folder is."""
    owner = path.parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _is_of(grant: Grant, publisher: str, client: str, space: str) -> bool:
    return (grant.publisher, grant.client, grant.space) == (publisher, client, space)
