"""Lists what a caller may read: its spaces, and the documents of one of them page by page, also those that wait."""

import asyncio
import base64
from typing import Any, Final

import msgspec

from contract import library_messages as messages
from contract.bus import Bus
from contract.documents import DocumentStatus
from contract.errors import BusError, LibraryRefusedError
from contract.library_messages import ListReply, ListRequest, SpaceInfo, SpacesReply
from contract.topology import ROOT_SPACE, ImportName
from library.access import Rights
from library.store.records import EmbedderNames
from library.store.sqlite import SqliteStore
from library.waiting import Waiting

SHOWN_BLANK_PAGES: Final = 100
"""In replies about many documents: a list counts them all."""
_ENVELOPE_BYTES: Final = 4096
Place = tuple[str, str]
"""A name and an id, behind which a list goes on."""


class Listing:
    """Reads the store, and the stream for documents whose first import has not begun."""

    def __init__(self, bus: Bus, store: SqliteStore, embedders: EmbedderNames) -> None:
        self._bus = bus
        self._store = store
        self._embedders = embedders
        self._waiting = Waiting(bus, store)

    async def documents(self, rights: Rights, request: ListRequest) -> ListReply:
        """A page of a space; raises LibraryRefusedError."""
        space = rights.named(request.space)
        after = _place(request.cursor)
        waiting = [] if space == ROOT_SPACE else await self._waiting_in(space, request.name)
        return await asyncio.to_thread(self._documents, rights, request, space, after, waiting)

    def _documents(
        self, rights: Rights, request: ListRequest, space: str, after: Place, waiting: list[DocumentStatus]
    ) -> ListReply:
        prefixes = _prefixes(rights, request.name) if space == ROOT_SPACE else [request.name]
        found = [one for one in waiting if _place_of(one) > after]
        for prefix in prefixes:
            found += self._store.listed(space, prefix, after, request.limit + 1, self._embedders)
        found = sorted({one.id: one for one in found}.values(), key=_place_of)
        documents = fitting([shortened(one) for one in found[: request.limit]], self._bus)
        totals = [self._store.totals(space, prefix) for prefix in prefixes]
        return ListReply(
            documents=documents,
            cursor=_cursor(documents[-1]) if documents and len(documents) < len(found) else "",
            total=sum(total for total, _ in totals) + len(waiting),
            pages_without_text=sum(blank for _, blank in totals),
            spaces=rights.spaces,
        )

    async def _waiting_in(self, space: str, prefix: str) -> list[DocumentStatus]:
        try:
            names = await self._bus.imports()
        except BusError:
            return []
        ids = list(dict.fromkeys(ImportName.from_subject(name).document for name in names))
        known = {one.id for one in await asyncio.to_thread(self._store.statuses, ids, EmbedderNames())}
        waiting = await self._waiting.of([one for one in ids if one not in known])
        return [one for one in waiting if one.space == space and one.name.startswith(prefix)]

    def spaces(self, rights: Rights) -> SpacesReply:
        """Its own one first, then the shared ones by name, then `root`."""
        shared = sorted(rights.readable - {rights.own})
        names = [rights.own, *shared, *([ROOT_SPACE] if rights.root else [])]
        counted = self._store.counts([name for name in names if name != ROOT_SPACE])
        of_root = sum(self._store.totals(ROOT_SPACE, prefix)[0] for prefix in _prefixes(rights, ""))
        return SpacesReply(
            spaces=[
                SpaceInfo(
                    name=name,
                    documents=of_root if name == ROOT_SPACE else counted.get(name, 0),
                    may_write=rights.can_write(name),
                    is_own=name == rights.own,
                )
                for name in names
            ]
        )


def _prefixes(rights: Rights, name: str) -> list[str]:
    """The beginnings of names in `root` that the caller may read, where only those that begin with `name` are asked."""
    if "" in rights.root:
        return [name]
    folders = sorted(f"{folder}/" for folder in rights.root)
    outermost = [one for one in folders if not any(one != other and one.startswith(other) for other in folders)]
    longer = [name if name.startswith(folder) else folder for folder in outermost]
    return [prefix for prefix in longer if prefix.startswith(name)]


def shortened(status: DocumentStatus) -> DocumentStatus:
    """As it stands among many."""
    return msgspec.structs.replace(
        status,
        pages_without_text=status.pages_without_text[:SHOWN_BLANK_PAGES],
        pages_by_ocr=status.pages_by_ocr[:SHOWN_BLANK_PAGES],
    )


def max_reply_bytes(bus: Bus) -> int:
    return bus.client.max_payload // 2


def fitting(parts: "list[Any]", bus: Bus) -> "list[Any]":
    """As many of these as one reply holds."""
    left = max_reply_bytes(bus) - _ENVELOPE_BYTES
    kept: list[Any] = []
    for part in parts:
        left -= len(messages.encode(part)) + 1
        if left < 0:
            break
        kept.append(part)
    return kept


def _place_of(status: DocumentStatus) -> Place:
    return status.name, status.id


def _cursor(status: DocumentStatus) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([status.name, status.id])).decode()


def _place(cursor: str) -> Place:
    """Raises LibraryRefusedError."""
    if not cursor:
        return "", ""
    try:
        name, document = msgspec.json.decode(base64.urlsafe_b64decode(cursor.encode()), type=Place)
    except ValueError:
        raise LibraryRefusedError("bad-request", "Field `cursor`: it is not one that a list gave.") from None
    return name, document
