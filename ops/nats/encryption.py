"""The key under which the store is encrypted on disk, and the care that a server never meets a store of another key.

With a wrong key nats-server finds no streams and says nothing: new ones would be made over the encrypted ones. So a
hash of the key stands beside them. Backups and the bus itself speak plain text: the key protects the disk.
"""

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from contract.runtime.files import make_folder, write_atomically
from contract.settings import QueueSettings
from ops.supervisor.keeper import StartError

VARIABLE: Final = "DOCQA_STORE_KEY"
"""The server's configuration names the variable: the key itself is in no file of ours."""

_MARK: Final = "docqa-key.json"


class _Mark(msgspec.Struct, frozen=True):
    """How a store is encrypted. The key is long and random: its salted hash gives nothing away."""

    cipher: str
    salt: str
    sha256: str


def environment(settings: QueueSettings) -> dict[str, str]:
    """What the server's process needs besides its configuration."""
    # In quotes: nats-server would read a key of digits as a number.
    return {VARIABLE: f'"{settings.store_key.reveal()}"'} if settings.store_key else {}


def claim(store: Path, settings: QueueSettings) -> None:
    """Note the key of a store that has none yet; raises StartError when the store has another one."""
    mark, key = _read(store), settings.store_key
    if key is None:
        if mark:
            raise StartError(f"{store} is encrypted: set {VARIABLE} to the key that it was made with.", final=True)
        return
    if mark is None:
        # Before the server starts: it encrypts what is there.
        make_folder(store, 0o700)
        mark = _mark_of(key.reveal(), settings.store_cipher, secrets.token_hex(16))
        write_atomically(store / _MARK, msgspec.json.encode(mark), mode=0o600)
    if mark.cipher != settings.store_cipher:
        raise StartError(f"DOCQA_STORE_CIPHER: {store} is encrypted with {mark.cipher}.", final=True)
    if mark != _mark_of(key.reveal(), mark.cipher, mark.salt):
        raise StartError(f"{VARIABLE}: {store} was encrypted with another key.", final=True)


def jetstream(settings: QueueSettings) -> Mapping[str, str]:
    """The part of the server's configuration that encrypts."""
    return {"cipher": settings.store_cipher, "key": f"${VARIABLE}"} if settings.store_key else {}


def _mark_of(key: str, cipher: str, salt: str) -> _Mark:
    return _Mark(cipher, salt, hashlib.sha256(f"{salt}{key}".encode()).hexdigest())


def _read(store: Path) -> _Mark | None:
    try:
        return msgspec.json.decode((store / _MARK).read_bytes(), type=_Mark)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        raise StartError(f"{store / _MARK} can't be read: restore it, or a backup.", final=True) from None
