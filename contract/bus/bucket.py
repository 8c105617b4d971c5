"""A key-value bucket on the bus: the value of a key, and the sequence of its write."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import Header

from contract.bus import api
from contract.bus.nats_errors import NO_MESSAGE, WRONG_LAST_SEQUENCE, translated_errors
from contract.bus.stream_info import decode_page
from contract.errors import BusError, StoreFullError

_DENIED: Final = "not permitted"
"""In the server's words, under the code that it has for messages that are not there, too."""

Request: TypeAlias = Callable[[str, bytes], Awaitable[bytes]]
"""Sends a request to a subject and returns the reply; raises BusError."""


class Entry(msgspec.Struct, frozen=True):
    """A key's value, the sequence that identifies this write, and its own headers, not the server's."""

    value: bytes
    seq: int
    headers: dict[str, str] = {}


class Bucket:
    """A key-value bucket, addressed by its subjects: it needs no lookup first, so it can be made before connecting."""

    def __init__(self, js: JetStreamContext, request: Request, name: str) -> None:
        self._js = js
        self._request = request
        self._name = name
        self._stream = api.bucket_stream(name)

    async def get(self, key: str) -> Entry | None:
        """The key's entry or None; raises BusError."""
        with translated_errors():
            try:
                message = await self._js.get_msg(self._stream, subject=self._subject(key), direct=True)
            except nats.js.errors.NotFoundError:
                return None
        own = {name: value for name, value in (message.headers or {}).items() if not name.startswith("Nats-")}
        return Entry(message.data or b"", message.seq or 0, own)

    async def create(self, key: str, value: bytes) -> Entry:
        """Write the key if it has no value. Returns its entry, from this write or an earlier one; raises BusError."""
        if seq := await self.swap(key, value, last_seq=0):
            return Entry(value, seq)
        if entry := await self.get(key):
            return entry
        raise BusError(f"{self._name}: {key} is refused as existing, but can't be read.")

    async def swap(
        self, key: str, value: bytes, last_seq: int, own_headers: Mapping[str, str] = MappingProxyType({})
    ) -> int | None:
        """Write the key if its last write was `last_seq` (0 = none). Returns this write's sequence.

        None when another write came first; raises BusError, which is StoreFullError where the bucket has no room.
        """
        headers = {**own_headers, Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(last_seq)}
        with translated_errors(StoreFullError(self._name)):
            try:
                stored = await self._js.publish(self._subject(key), value, headers=headers)
            except nats.js.errors.APIError as error:
                if error.err_code in WRONG_LAST_SEQUENCE:
                    return None
                raise
        return stored.seq

    async def put(self, key: str, value: bytes) -> int:
        """Write the key, replacing any value. Returns this write's sequence; raises BusError."""
        with translated_errors(StoreFullError(self._name)):
            return (await self._js.publish(self._subject(key), value)).seq

    async def remove(self, seq: int) -> bool:
        """Delete one write and overwrite it on the disk, if it exists, leaving no marker; raises BusError.

        False, and nothing done, in a bucket that an older version made to deny deletions.
        """
        with translated_errors():
            try:
                await self._js.delete_msg(self._stream, seq)
            except nats.js.errors.APIError as error:
                if error.err_code != NO_MESSAGE:
                    raise
                return _DENIED not in (error.description or "")
        return True

    async def keys(self) -> list[str]:
        """All keys; needs the right to read the stream's info. Raises BusError."""
        prefix, found = self._subject(""), set[str]()
        while True:
            question = msgspec.json.encode({"subjects_filter": f"{prefix}>", "offset": len(found)})
            page = decode_page(await self._request(api.stream_info(self._stream), question))
            found.update(subject.removeprefix(prefix) for subject in page.state.subjects)
            if not page.state.subjects or len(found) >= page.total:
                return sorted(found)

    async def fill(self) -> float:
        """How full the bucket is, from 0 to 1; 0 without a bound. Needs the right to read its info; raises BusError."""
        page = decode_page(await self._request(api.stream_info(self._stream), b""))
        return page.state.bytes / page.config.max_bytes if page.config.max_bytes > 0 else 0.0

    async def clear(self, keys: str) -> int:
        """Remove all keys that match a pattern such as `*.alice.>`, and return how many.

        Needs the right to purge the stream; raises BusError.
        """
        question = msgspec.json.encode({"filter": self._subject(keys)})
        answer = await self._request(api.stream_purge(self._stream), question)
        return decode_page(answer).purged

    def _subject(self, key: str) -> str:
        return api.bucket_key(self._name, key)
