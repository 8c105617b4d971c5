"""The key that encrypts the store on disk, and the check that a server never opens a store with another key.

With a wrong key nats-server finds no streams and reports no error: new ones would overwrite the encrypted ones. So a
salted hash of the key is kept beside the store. Backups and connections are plain text: the key protects the disk only.
"""

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from contract.runtime.files import make_folder, write_atomically
from contract.settings import QueueSettings
from ops.supervisor.supervisor import StartError

VARIABLE: Final = "DOCQA_STORE_KEY"
"""The server's configuration names this variable: the key itself is in no file of ours."""

_MARK: Final = "docqa-key.json"


class _Mark(msgspec.Struct, frozen=True):
    """How a store is encrypted. The key is long and random, so that its salted hash reveals nothing."""

    cipher: str
    salt: str
    sha256: str


def environment(settings: QueueSettings) -> dict[str, str]:
    """The variables that the server needs besides its configuration."""
    # Quoted, because nats-server would read a key of digits as a number.
    return {VARIABLE: f'"{settings.store_key.reveal()}"'} if settings.store_key else {}


def check_key(store: Path, settings: QueueSettings) -> None:
    """Compare the key with the store's, or record it for a new store; raises StartError if they differ."""
    mark, key = _read(store), settings.store_key
    if key is None:
        if mark:
            raise StartError(f"{store} is encrypted: set {VARIABLE} to its key.", final=True)
        return
    if mark is None:
        # Before the server starts, because it encrypts an existing store at once.
        make_folder(store, 0o700)
        mark = _mark_of(key.reveal(), settings.store_cipher, secrets.token_hex(16))
        write_atomically(store / _MARK, msgspec.json.encode(mark), mode=0o600)
    if mark.cipher != settings.store_cipher:
        raise StartError(f"DOCQA_STORE_CIPHER: {store} is encrypted with {mark.cipher}.", final=True)
    if mark != _mark_of(key.reveal(), mark.cipher, mark.salt):
        raise StartError(f"{VARIABLE}: {store} was encrypted with another key.", final=True)


def jetstream(settings: QueueSettings) -> Mapping[str, str]:
    """The encryption part of the server's JetStream configuration."""
    return {"cipher": settings.store_cipher, "key": f"${VARIABLE}"} if settings.store_key else {}


def _mark_of(key: str, cipher: str, salt: str) -> _Mark:
    return _Mark(cipher, salt, hashlib.sha256(f"{salt}{key}".encode()).hexdigest())


def _read(store: Path) -> _Mark | None:
    try:
        return msgspec.json.decode((store / _MARK).read_bytes(), type=_Mark)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        raise StartError(f"{store / _MARK} cannot be read: restore this file, or a backup.", final=True) from None
