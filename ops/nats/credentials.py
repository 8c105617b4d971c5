"""The passwords of the roles on the embedded bus: generated once, kept in files that only their owner can read."""

import secrets
from pathlib import Path
from typing import Final

from contract.errors import SettingsError
from contract.runtime.files import make_folder, write_atomically

ROLES: Final = ("admin", "ingress", "worker", "library")
LATER_ROLES: Final = frozenset({"library"})
"""Roles that a folder of passwords from before them does not hold: theirs are drawn."""
_PASSWORD_BYTES: Final = 32
_LEAST_CHARS: Final = 16


class Credentials:
    """A folder with one file per role."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ensure(self) -> None:
        """Generate the passwords that are missing."""
        make_folder(self.folder, 0o700)
        for role in ROLES:
            if not self.path(role).exists():
                # Hexadecimal, because nats-server takes a password that begins with "$2a$" for a hash.
                write_atomically(self.path(role), secrets.token_hex(_PASSWORD_BYTES).encode(), mode=0o600)

    def adopt(self, folder: Path) -> None:
        """Copy the passwords of another folder, one file per role; raises SettingsError."""
        make_folder(self.folder, 0o700)
        for role in ROLES:
            if role not in LATER_ROLES or (folder / role).exists():
                write_atomically(self.path(role), _given(folder / role).encode(), mode=0o600)
        self.ensure()

    def path(self, role: str) -> Path:
        return self.folder / role

    def read(self, role: str) -> str:
        return self.path(role).read_text(encoding="ascii").strip()


def _given(path: Path) -> str:
    try:
        password = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(f"DOCQA_NATS_CREDENTIALS: cannot read {path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        password = ""
    if len(password) < _LEAST_CHARS or not password.isalnum():
        raise SettingsError(
            f"DOCQA_NATS_CREDENTIALS: {path} must hold one password of at least {_LEAST_CHARS} letters and digits."
        )
    return password
