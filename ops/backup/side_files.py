"""The files that a backup holds besides the streams: the list of publishers and the tokens.

Publishers' passwords are included, so that publishers continue after a disaster; tokens are stored as hashes only. The
passwords of the roles are not: a new bus generates new ones.
"""

from pathlib import Path
from typing import Final

from ops.nats import address
from ops.nats.publishers import is_free_name
from ops.settings import BackupSettings

_TOKENS: Final = "tokens.json"
_PUBLISHERS: Final = "publishers/"


def present(settings: BackupSettings) -> dict[str, bytes]:
    """The existing files by kind."""
    publishers = address.publishers(settings.data_dir)
    paths = {f"{_PUBLISHERS}{name}.json": publishers.path(name) for name in publishers.names()}
    paths[_TOKENS] = settings.tokens_file
    return {kind: path.read_bytes() for kind, path in paths.items() if path.is_file()}


def path_of(kind: str, settings: BackupSettings) -> Path | None:
    """The path of a kind on this machine; None for a kind that this version does not know."""
    name = kind.removeprefix(_PUBLISHERS).removesuffix(".json")
    if kind == _TOKENS:
        return settings.tokens_file
    if kind == f"{_PUBLISHERS}{name}.json" and is_free_name(name):
        return address.publishers(settings.data_dir).path(name)
    return None
