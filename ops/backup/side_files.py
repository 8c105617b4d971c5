"""The files beside the streams that a backup holds: who may publish, and which tokens there are.

Publishers' passwords are in it, so that publishers go on after a disaster; tokens are kept as hashes anyway. The
passwords of the roles are not: a new bus draws new ones.
"""

from pathlib import Path
from typing import Final

from ops.nats import address
from ops.nats.publishers import is_free_name
from ops.settings import BackupSettings

_TOKENS: Final = "tokens.json"
_PUBLISHERS: Final = "publishers/"


def present(settings: BackupSettings) -> dict[str, bytes]:
    """What there is now, by what it is."""
    publishers = address.publishers(settings.data_dir)
    paths = {f"{_PUBLISHERS}{name}.json": publishers.path(name) for name in publishers.names()}
    paths[_TOKENS] = settings.tokens_file
    return {kind: path.read_bytes() for kind, path in paths.items() if path.is_file()}


def place_of(kind: str, settings: BackupSettings) -> Path | None:
    """Where a file belongs on this machine; None for a kind that this version does not know."""
    name = kind.removeprefix(_PUBLISHERS).removesuffix(".json")
    if kind == _TOKENS:
        return settings.tokens_file
    if kind == f"{_PUBLISHERS}{name}.json" and is_free_name(name):
        return address.publishers(settings.data_dir).path(name)
    return None
