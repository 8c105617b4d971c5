"""The file that says who may read and write which space: the library reads it, `docqa spaces` writes it.

A client's own space needs no grant and can't be granted. `write` includes `read`. A grant on a folder of `root` holds
for all below it; `root` is never written to by a request.
"""

import re
from typing import Final, Literal

import msgspec

from contract.errors import DocQAError
from contract.topology import ROOT_SPACE, is_name

Access = Literal["read", "write"]

_PATH: Final = re.compile(r"[^/\0]{1,255}")


class GrantsFileError(DocQAError):
    """The file of grants can't be used."""


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one client of one publisher may do in one space, or in one folder of `root`."""

    publisher: str
    client: str
    space: str
    """A shared space, `root`, or `root/<folder>/…`."""
    access: Access

    def __post_init__(self) -> None:
        for field in ("publisher", "client"):
            if not is_name(getattr(self, field)):
                raise ValueError(f"a {field} has 1 to 64 characters of a-z, 0-9, _ and -")
        if not is_shared_space(self.space) and not _is_root_folder(self.space):
            raise ValueError("a space has 1 to 64 characters of a-z, 0-9, _ and -, or is root or root/<folder>")
        if self.access == "write" and _is_root_folder(self.space):
            raise ValueError("root can be granted for reading only: its files are written in the file system")


class GrantsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shared spaces and all grants, in the order in which they were made."""

    v: Literal[1] = 1
    spaces: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()

    def __post_init__(self) -> None:
        for space in self.spaces:
            if not is_shared_space(space):
                raise ValueError("a space has 1 to 64 characters of a-z, 0-9, _ and -, and is not called root")
        for grant in self.grants:
            if is_shared_space(grant.space) and grant.space not in self.spaces:
                raise ValueError(f"there is a grant on the space {grant.space}, which is not in the list of spaces")

    def of(self, publisher: str, client: str) -> tuple[Grant, ...]:
        """All grants of one client."""
        return tuple(grant for grant in self.grants if (grant.publisher, grant.client) == (publisher, client))


def is_shared_space(text: str) -> bool:
    """True for what may be the name of a shared space."""
    return is_name(text) and text != ROOT_SPACE


def _is_root_folder(text: str) -> bool:
    first, *folders = text.split("/")
    return first == ROOT_SPACE and all(_PATH.fullmatch(name) and name not in (".", "..") for name in folders)


def decode(content: bytes) -> GrantsFile:
    """Raises GrantsFileError with a sentence that names the place."""
    try:
        return msgspec.json.decode(content, type=GrantsFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GrantsFileError(f"The file of grants can't be understood: {str(error).replace('$.', '')}.") from None


def encode(file: GrantsFile) -> bytes:
    """As JSON for people to read too."""
    return msgspec.json.format(msgspec.json.encode(file)) + b"\n"
