"""The journal of a batch: which rows were asked under which key, and how they ended. Survives any kill.

A line is on the disk before what it says is done: so a row whose question may have been sent is asked again under the
same key, and the system finds its job or its result.
"""

import asyncio
import os
from pathlib import Path
from typing import IO, Any, Final, Self

import msgspec
from uuid_utils import uuid7

from contract.errors import DocQAError
from contract.runtime.files import sync_folder

_SUFFIX: Final = ".journal"


class Ending(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a row ended: with the answer's document, or with why there is none."""

    answer: dict[str, Any] = {}
    code: str = ""
    detail: str = ""

    @property
    def is_answered(self) -> bool:
        return bool(self.answer)


class _Line(msgspec.Struct, omit_defaults=True):
    batch: str = ""
    of: str = ""
    row: int = 0
    key: str = ""
    ending: Ending | None = None


_decoder = msgspec.json.Decoder(_Line)


class Journal:
    """One batch, from its file; lines that are written at the same time share one flush to the disk."""

    def __init__(self, file: IO[bytes], batch: str) -> None:
        self._file = file
        self.batch = batch
        self.endings: dict[int, Ending] = {}
        self._keys: dict[int, str] = {}
        self._tries: dict[int, int] = {}
        self._unwritten: list[bytes] = []
        self._writing = asyncio.Lock()

    @classmethod
    def of(cls, out: Path, content: str) -> Self:
        """The journal beside the output file. `content`: a hash of what is asked.

        Raises DocQAError where the journal there is of another batch.
        """
        path = out.with_name(out.name + _SUFFIX)
        lines = _read(path)
        head = lines[0] if lines else _Line(batch=str(uuid7()), of=content)
        if head.of != content:
            raise DocQAError(
                f"{path} is of other questions or options: give the same again, another --out, or remove the journal."
            )
        journal = cls(path.open("ab"), head.batch)
        if not lines:
            journal._append(head)
            journal._flush()
            sync_folder(path.parent.absolute())
        for line in lines[1:]:
            journal._take(line)
        return journal

    def key_for(self, row: int) -> str:
        """The key under which the row is asked: as before while its question may be under way, else a new one."""
        if row in self._keys and row not in self.endings:
            return self._keys[row]
        return f"{self.batch}.{row}.{self._tries.get(row, 0) + 1}"

    async def asking(self, row: int, key: str) -> None:
        """Note the key, on the disk before this returns."""
        if self._keys.get(row) != key:
            await self._write(_Line(row=row, key=key))

    async def ended(self, row: int, ending: Ending) -> None:
        """Note how the row ended, on the disk before this returns."""
        await self._write(_Line(row=row, ending=ending))

    def close(self) -> None:
        self._file.close()

    async def _write(self, line: _Line) -> None:
        self._take(line)
        self._append(line)
        async with self._writing:
            if self._unwritten:
                await asyncio.to_thread(self._flush)

    def _append(self, line: _Line) -> None:
        self._unwritten.append(msgspec.json.encode(line) + b"\n")

    def _flush(self) -> None:
        lines, self._unwritten = self._unwritten, []
        self._file.write(b"".join(lines))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _take(self, line: _Line) -> None:
        if line.key:
            self._keys[line.row] = line.key
            self._tries[line.row] = self._tries.get(line.row, 0) + 1
            self.endings.pop(line.row, None)
        if line.ending:
            self.endings[line.row] = line.ending


def _read(path: Path) -> list[_Line]:
    """The whole lines; one that a kill cut short is removed. Raises DocQAError for what is no journal."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    try:
        return [_decoder.decode(line) for line in whole.splitlines()]
    except msgspec.DecodeError:
        raise DocQAError(f"{path}: it is not the journal of a batch: give another --out, or remove it.") from None
