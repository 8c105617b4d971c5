"""What a row's document is: its own text, a file of the caller, an id of the library, or a path below DOCQA_ROOT."""

import asyncio
from pathlib import Path
from typing import Any, Literal

from contract.errors import DocQAError
from ops.client import Client
from ops.documents.uploads import upload_all

Kind = Literal["text", "files", "ids", "root"]


class UnreadableError(DocQAError):
    """The row's document can't be had; the row fails with this reason."""


class Sources:
    """Turns a row's document into fields of its question; a file that is no text is brought into the library once."""

    def __init__(self, kind: Kind, folder: Path, client: Client) -> None:
        """`folder`: where relative paths of files begin if they are not below the working folder."""
        self._kind = kind
        self._folder = folder
        self._client = client
        self._ids: dict[str, str] = {}
        self._uploading = asyncio.Lock()

    async def fields(self, document: str) -> dict[str, Any]:
        """The fields that name the document; raises UnreadableError."""
        if not document:
            return {}
        match self._kind:
            case "text":
                return {"context": document}
            case "ids":
                return {"documents": [document]}
            case "root":
                return {"path": document}
            case "files":
                return await self._file(document)

    async def _file(self, name: str) -> dict[str, Any]:
        try:
            path, content = await asyncio.to_thread(self._read, name)
        except OSError as error:
            raise UnreadableError(f"{name}: the file can't be read: {error.strerror}.") from None
        if b"\0" not in content and not content.startswith(b"%PDF"):
            try:
                return {"context": content.decode("utf-8-sig")}
            except UnicodeDecodeError:
                pass
        async with self._uploading:
            if name not in self._ids:
                self._ids[name] = await asyncio.to_thread(self._uploaded, path)
        return {"documents": [self._ids[name]]}

    def _read(self, name: str) -> tuple[Path, bytes]:
        path = Path(name) if Path(name).exists() else self._folder / name
        return path, path.read_bytes()

    def _uploaded(self, path: Path) -> str:
        [outcome] = upload_all(self._client, [path], "", wait=True, on_change=lambda _path, _state: None)
        if not outcome.is_good:
            raise UnreadableError(f"{path}: {outcome.problem or outcome.document.get('detail')}")
        return str(outcome.document["id"])
