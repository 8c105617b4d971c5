"""The file of tokens as it changes: read when it was written, kept as it was while it can't be read."""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from contract.errors import SettingsError
from contract.token_file import PREFIX, TokensFile, TokensFileError, decode
from ingress.auth.keyring import Keyring

LOOKS_EVERY_S: Final = 1.0

log = structlog.get_logger(__name__)

_Stamp = tuple[int, int, int]


class TokensOnDisk:
    """One file of tokens. `trouble` says why its last change is not in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: _Stamp | None = None
        self.trouble: str | None = None

    def read(self) -> TokensFile:
        """What it says now; raises TokensFileError."""
        self._seen = self._stamp()
        try:
            return decode(self._path.read_bytes())
        except OSError as error:
            # Somebody may have put a token where its file belongs.
            name = "that path" if str(self._path).startswith(PREFIX) else self._path
            raise TokensFileError(f"Can't read {name}: {error.strerror}; `docqa tokens create` makes it.") from None

    def read_first(self) -> TokensFile:
        """The same for a start, which does without no file; raises SettingsError."""
        try:
            return self.read()
        except TokensFileError as error:
            raise SettingsError(f"DOCQA_TOKENS: {str(error)[0].lower()}{str(error)[1:]}") from None

    def read_if_changed(self) -> TokensFile | None:
        """What it says when it was written since the last look and can be read."""
        if self._stamp() == self._seen:
            return None
        try:
            file = self.read()
        except TokensFileError as error:
            self.trouble = str(error)
            log.error("tokens not read, those read before stand", error=self.trouble)
            return None
        self.trouble = None
        log.info("tokens read", count=len(file.tokens))
        return file

    def _stamp(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        # Not when it was modified: new rights for reading it count as well.
        return found.st_ctime_ns, found.st_ino, found.st_size


async def keep_up(tokens: TokensOnDisk, keyring: Keyring) -> None:
    """Put each change of the file in force; does not return."""
    while True:
        await asyncio.sleep(LOOKS_EVERY_S)
        if file := tokens.read_if_changed():
            keyring.replace(file)
