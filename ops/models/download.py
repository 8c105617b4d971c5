"""Fetches one file so that it is whole or not there: resumed, bounded by the free space, compared with its hash.

What has come so far is in `.NAME.part`, beside where the file will be; what it is a part of, in `.NAME.part.json`.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from contract import environment_proxy
from contract.errors import DocQAError
from contract.runtime.files import make_folder, sync_folder, write_atomically
from contract.runtime.lock import locked
from ops.models.hub import Remote, hash_in

_MAGIC: Final = b"GGUF"
_SPARE_BYTES: Final = 256 << 20
"""Stays free on the disk."""
_TRIES: Final = 6
"""In a row without a byte."""
_PAUSE_S: Final = 1.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SHORT_OF: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

Report = Callable[[int, int | None], None]
"""Takes the bytes that are there, and of how many."""


class Fetched(msgspec.Struct, frozen=True):
    """A file that is whole."""

    path: Path
    size_bytes: int
    sha256: str
    is_checked: bool
    """Whether somebody said what its SHA-256 is to be."""
    was_there: bool = False


class _Begun(msgspec.Struct):
    """What a part is a part of."""

    url: str
    tag: str = ""
    size_bytes: int | None = None
    sha256: str | None = None


class _BrokenOffError(Exception):
    """The connection ended before the file did; another try goes on from there."""


def fetch(remote: Remote, folder: Path, client: httpx.Client, report: Report, pause_s: float = _PAUSE_S) -> Fetched:
    """Fetch a file into a folder, or find it there. Raises DocQAError; then only the part is left, to be resumed."""
    try:
        make_folder(folder)
        target = folder / remote.name
        with locked(folder / f".{remote.name}.lock", f"Process {{holder}} is fetching {target} now."):
            if target.exists():
                return _there_already(remote, target)
            return _Download(remote, target, client, report).run(pause_s)
    except OSError as error:
        raise DocQAError(f"Can't write into {folder}: {error.strerror or error}.") from None


def _there_already(remote: Remote, target: Path) -> Fetched:
    digest = _digest_of(target).hexdigest()
    if remote.sha256 and digest != remote.sha256:
        raise DocQAError(f"{target} is there with another content than {remote.url} has: move it away first.")
    return Fetched(target, target.stat().st_size, digest, is_checked=bool(remote.sha256), was_there=True)


class _Download:
    def __init__(self, remote: Remote, target: Path, client: httpx.Client, report: Report) -> None:
        self._remote, self._target, self._client, self._report = remote, target, client, report
        self._part = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.json")
        known = self._known()
        if known is None:
            self._part.unlink(missing_ok=True)
        self._begun = known or _Begun(remote.url, size_bytes=remote.size_bytes, sha256=remote.sha256)

    def run(self, pause_s: float) -> Fetched:
        """Try until it is whole, as long as bytes come."""
        tries = 0
        while True:
            before = self._size()
            try:
                self._go_on()
                return self._finished()
            except (_BrokenOffError, httpx.TransportError) as error:
                tries = 1 if self._size() > before else tries + 1
                if tries == _TRIES:
                    raise DocQAError(
                        f"{self._remote.url} breaks off: {error}. What has come is kept; the same command goes on."
                    ) from None
            time.sleep(pause_s * 2 ** (tries - 1))

    def _known(self) -> _Begun | None:
        """What the part is of, if that is this very file, and something will show whether it still is."""
        try:
            begun = msgspec.json.decode(self._note.read_bytes(), type=_Begun)
        except (OSError, msgspec.DecodeError):
            return None
        is_same = begun.url == self._remote.url and self._remote.sha256 in (None, begun.sha256)
        return begun if is_same and (begun.tag or begun.sha256) else None

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _go_on(self) -> None:
        """Append what is missing."""
        if self._begun.size_bytes and self._size() == self._begun.size_bytes:
            return
        headers = {"Accept-Encoding": "identity"}
        if have := self._size():
            headers["Range"] = f"bytes={have}-"
            if self._begun.tag:
                headers["If-Range"] = self._begun.tag
        with self._client.stream("GET", self._remote.url, headers=headers) as response:
            self._take(response, have)

    def _take(self, response: httpx.Response, have: int) -> None:
        if response.status_code in _SHORT_OF:
            raise _BrokenOffError(f"it answers {response.status_code}")
        if response.status_code == 416:
            self._part.unlink(missing_ok=True)
            raise _BrokenOffError("it has fewer bytes than have come")
        if response.status_code in (401, 403):
            raise DocQAError(f"{self._remote.url} may not be read: set DOCQA_MODEL_HUB_TOKEN, or accept its terms.")
        if response.status_code not in (200, 206):
            raise DocQAError(f"{self._remote.url} answers {response.status_code}.")
        goes_on = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if response.status_code == 206 and not goes_on:
            raise DocQAError(f"{self._remote.url} sends another range than was asked for.")
        if not goes_on:
            self._begin(response)
        self._append(response, have if goes_on else 0)

    def _begin(self, response: httpx.Response) -> None:
        """Note what the file is, and see that there is room for it."""
        # A redirect's own response names the hash; the last one is the store's.
        said = next(filter(None, map(hash_in, (one.headers for one in (*response.history, response)))), None)
        length = response.headers.get("Content-Length", "")
        self._begun = _Begun(
            self._remote.url,
            tag=_strong(response.headers.get("ETag", "")),
            size_bytes=self._remote.size_bytes or (int(length) if length.isdecimal() else None),
            sha256=self._remote.sha256 or said,
        )
        self._part.unlink(missing_ok=True)
        self._see_to_room(self._begun.size_bytes or 0)
        write_atomically(self._note, msgspec.json.encode(self._begun))

    def _see_to_room(self, missing: int) -> None:
        free = shutil.disk_usage(self._target.parent).free
        if missing + _SPARE_BYTES > free:
            raise DocQAError(
                f"{self._target.name} needs {_mib(missing)} MiB and {_mib(_SPARE_BYTES)} MiB to spare; "
                f"{self._target.parent} has {_mib(free)} MiB free."
            )

    def _append(self, response: httpx.Response, have: int) -> None:
        size = self._begun.size_bytes
        if have and size:
            self._see_to_room(size - have)
        with self._part.open("ab") as file:
            # As they come: what waits for a full block is lost when the connection breaks off.
            for chunk in response.iter_bytes():
                if not have and not _MAGIC.startswith(chunk[: len(_MAGIC)]):
                    raise DocQAError(f"{self._remote.url} is not a GGUF file.")
                if size and have + len(chunk) > size:
                    raise DocQAError(f"{self._remote.url} sends more than the {size} bytes that it announced.")
                file.write(chunk)
                have += len(chunk)
                self._report(have, size)
            file.flush()
            os.fsync(file.fileno())
        if size and have < size:
            raise _BrokenOffError(f"{have} of {size} bytes came")

    def _finished(self) -> Fetched:
        digest = _digest_of(self._part).hexdigest()
        if self._begun.sha256 and digest != self._begun.sha256:
            self._forget()
            raise DocQAError(
                f"{self._remote.url} came with the SHA-256 {digest}, not {self._begun.sha256} as was said: "
                "nothing of it is kept."
            )
        self._part.replace(self._target)
        sync_folder(self._target.parent)
        self._note.unlink(missing_ok=True)
        return Fetched(self._target, self._target.stat().st_size, digest, is_checked=bool(self._begun.sha256))

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def _strong(tag: str) -> str:
    """A weak tag can't stand behind If-Range."""
    return "" if tag.startswith("W/") else tag


def _digest_of(path: Path) -> Any:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f}"


def client_for(token: str | None, hub: str) -> httpx.Client:
    """A client that shows the token to the hub alone, not to hosts that it redirects to. Raises DocQAError."""
    try:
        origin = _origin(httpx.URL(hub))
    except httpx.InvalidURL:
        raise DocQAError("DOCQA_MODEL_HUB: expected https://HOST.") from None
    if token and origin[0] != "https" and origin[1] not in _LOOPBACK:
        raise DocQAError("DOCQA_MODEL_HUB: a token is sent over https only.")

    def authorize(request: httpx.Request) -> None:
        if token and _origin(request.url) == origin:
            request.headers["Authorization"] = f"Bearer {token}"
        else:
            request.headers.pop("Authorization", None)

    timeout = httpx.Timeout(30.0, connect=15.0)
    environment_proxy.check()
    # A hub on this machine is not asked for through a proxy of the environment.
    trust_env = origin[1] not in _LOOPBACK
    return httpx.Client(
        follow_redirects=True, timeout=timeout, event_hooks={"request": [authorize]}, trust_env=trust_env
    )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
