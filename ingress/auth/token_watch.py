"""Watches the file of tokens: reads each change, and keeps the last readable content while it can't be read."""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from contract.errors import SettingsError
from contract.token_file import PREFIX, TokensFile, TokensFileError, decode
from ingress.auth.keyring import Keyring

CHECKS_EVERY_S: Final = 1.0

log = structlog.get_logger(__name__)

_Stamp = tuple[int, int, int]


class TokensOnDisk:
    """One file of tokens. `error` says why its last change is not in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: _Stamp | None = None
        self.error: str | None = None

    def read(self) -> TokensFile:
        """The file's content now; raises TokensFileError."""
        self._seen = self._stamp()
        try:
            return decode(self._path.read_bytes())
        except OSError as error:
            # A token may have been given in place of the file's path: don't show it.
            name = "that path" if str(self._path).startswith(PREFIX) else self._path
            raise TokensFileError(f"Can't read {name}: {error.strerror}; `docqa tokens create` makes it.") from None

    def read_first(self) -> TokensFile:
        """The same at the start, when a file that can't be read is fatal; raises SettingsError."""
        try:
            return self.read()
        except TokensFileError as error:
            raise SettingsError(f"DOCQA_TOKENS: {str(error)[0].lower()}{str(error)[1:]}") from None

    def read_if_changed(self) -> TokensFile | None:
        """The new content if the file has changed since the last check and can be read, else None."""
        if self._stamp() == self._seen:
            return None
        try:
            file = self.read()
        except TokensFileError as error:
            self.error = str(error)
            log.error("tokens not read, those read before stay in force", error=self.error)
            return None
        self.error = None
        log.info("tokens read", count=len(file.tokens))
        return file

    def _stamp(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        # The change time, not the modification time: a change of permissions counts too.
        return found.st_ctime_ns, found.st_ino, found.st_size


async def keep_up(tokens: TokensOnDisk, keyring: Keyring) -> None:
    """Put each change of the file in force; does not return."""
    while True:
        await asyncio.sleep(CHECKS_EVERY_S)
        if file := tokens.read_if_changed():
            keyring.replace(file)
