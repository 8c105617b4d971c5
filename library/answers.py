"""Answers requests: who asks is in the subject, and whatever it may not read does not exist for it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from nats.aio.msg import Msg

from contract import library_messages as messages
from contract.bus.client import Bus
from contract.documents import DocumentStatus, document_id
from contract.errors import BadMessageError, BadNameError, BusError, LibraryRefusedError
from contract.library_messages import (
    Counts,
    DeleteReply,
    DeleteRequest,
    ListReply,
    ListRequest,
    OriginalReply,
    OriginalRequest,
    PutReply,
    PutRequest,
    Refusal,
    ScanReply,
    ScanRequest,
    SnapshotReply,
    SnapshotRequest,
    SpacesReply,
    SpacesRequest,
    StatusReply,
    StatusRequest,
    TextReply,
    TextRequest,
)
from contract.sanitize import sanitize
from contract.search_messages import SearchReply, SearchRequest
from contract.topology import HTTP_PUBLISHER, ROOT_SPACE, LibraryAddress
from library import metrics
from library.access import Access, Rights
from library.condition import Condition
from library.imports.pace import Pace
from library.listing import Listing, fitting, max_reply_bytes, shortened
from library.room import Room
from library.root.root import Root
from library.search.search import Search
from library.settings import LibrarySettings
from library.store.faults import StoreError
from library.store.files import Files
from library.store.records import EmbedderNames
from library.store.scope import Scope
from library.store.sqlite import SqliteStore
from library.waiting import Waiting

SNAPSHOT_FILE: Final = "snapshot.db"
_STORE_AGAIN_AFTER_S: Final = 10
_NO_STORE: Final = "The library's database can't be used now: `docqa status` says why to who runs this system."

log = structlog.get_logger(__name__)

_NO_EMBEDDERS: Final = EmbedderNames()
_SHORT_CHARACTERS: Final = 50_000
"""About 400 sentences, a second's work."""
_VECTORS_WITHIN_S: Final = 1.0
_LOOK_AGAIN_S: Final = 0.03


class Answers:
    """One method an operation; each returns its reply or raises LibraryRefusedError. They run on threads."""

    def __init__(
        self,
        bus: Bus,
        settings: LibrarySettings,
        store: SqliteStore,
        files: Files,
        access: Access,
        search: Search,
        pace: Pace,
        on_erase: Callable[[str], None],
        embedders: EmbedderNames = _NO_EMBEDDERS,
        root: Root | None = None,
        condition: Condition | None = None,
    ) -> None:
        # What a backup left that was killed: it may hold what is erased from now on.
        store.drop_snapshot(SNAPSHOT_FILE)
        self._bus = bus
        self._settings = settings
        self._store = store
        self._files = files
        self._access = access
        self._search = search
        self._pace = pace
        self._on_erase = on_erase
        self._embedders = embedders
        self._root = root
        self._condition = condition or Condition()
        self._room = Room(store, files, settings.max_bytes)
        self._waiting = Waiting(bus, store)
        self._listing = Listing(bus, store, embedders)
        self._operations: dict[str, tuple[type[msgspec.Struct], Callable[[Any, Any], msgspec.Struct]]] = {
            "read": (TextRequest, self.read),
            "spaces": (SpacesRequest, self.spaces),
            "text": (TextRequest, self.text),
            "original": (OriginalRequest, self.original),
            "put": (PutRequest, self.put),
            "delete": (DeleteRequest, self.delete),
            "snapshot": (SnapshotRequest, self.snapshot),
        }

    async def answer(self, message: Msg) -> None:
        """Reply to one request, whatever it is."""
        began_s = time.monotonic()
        try:
            address = LibraryAddress.from_subject(message.subject)
            if address.operation == "erased":
                return
            reply = await self._answered(address, message.data)
            metrics.REQUEST_SECONDS.labels(address.operation).observe(time.monotonic() - began_s)
        except LibraryRefusedError as error:
            metrics.REFUSALS.labels(error.code).inc()
            reply = Refusal(refused=error.code, detail=str(error), retry_after_s=error.retry_after_s)
        except (BadMessageError, BadNameError) as error:
            reply = Refusal(refused="bad-request", detail=str(error))
        except StoreError as error:
            log.warning("a request could not be answered", subject=message.subject, reason=str(error))
            reply = Refusal(refused="library-unavailable", detail=_NO_STORE, retry_after_s=_STORE_AGAIN_AFTER_S)
        # A bug over one request: its sender gets a reply instead of a timeout, and the others are still answered.
        except Exception:
            log.exception("a request could not be answered", subject=message.subject)
            reply = Refusal(refused="library-unavailable", detail="The library failed over it: see its log.")
        if message.reply:
            try:
                await self._bus.publish(message.reply, messages.encode(reply))
            except BusError:
                log.warning("a reply could not be sent", subject=message.subject)

    async def _answered(self, address: LibraryAddress, body: bytes) -> msgspec.Struct:
        rights = self._access.rights(address)
        if address.operation == "status":
            return await self.status(address, rights, messages.decode_request(StatusRequest, body))
        if address.operation == "list":
            return await self.listed(address, rights, messages.decode_request(ListRequest, body))
        if address.operation == "search":
            return await self.search((address, rights), messages.decode_request(SearchRequest, body))
        if address.operation == "scan":
            return await self.scan(address, messages.decode_request(ScanRequest, body))
        if address.operation not in self._operations:
            raise LibraryRefusedError("bad-request", "The library knows no such operation.")
        kind, handle = self._operations[address.operation]
        return await asyncio.to_thread(handle, (address, rights), messages.decode_request(kind, body))

    async def status(self, address: LibraryAddress, rights: Rights, request: StatusRequest) -> StatusReply:
        found = await asyncio.to_thread(self._statuses, rights, request.documents)
        known = {one.id for one in found}
        missing = [one for one in request.documents if one not in known]
        waiting = [one for one in await self._waiting.of(missing) if rights.can_read(one.space, one.name)]
        by_id = {one.id: one for one in [*found, *waiting]}
        documents = [by_id[one] for one in dict.fromkeys(request.documents) if one in by_id]
        if address.publisher != HTTP_PUBLISHER:
            return StatusReply(documents=documents)
        counts = await self._counts() if request.counts else None
        problems = self._condition.problems() if request.problems else []
        return StatusReply(documents=documents, counts=counts, problems=problems)

    async def _counts(self) -> Counts | None:
        """None where the store or the bus can't be asked: the problems say so."""
        try:
            documents, reading, failed = await asyncio.to_thread(self._store.states)
            waiting = len(await self._bus.imports()) + (self._root.waiting if self._root else 0)
        except (BusError, OSError):
            return None
        return Counts(documents=documents, waiting=max(waiting - reading, 0), reading=reading, failed=failed)

    def _statuses(self, rights: Rights, ids: list[str]) -> list[DocumentStatus]:
        """Another's is not even loaded, which would take longer than to find nothing."""
        places = self._store.places_of(ids)
        mine = [one for one in ids if one in places and (not places[one][1] or rights.can_read(*places[one]))]
        found = [one for one in self._store.statuses(mine, self._embedders) if rights.can_read(one.space, one.name)]
        return found if len(found) == 1 else [shortened(one) for one in found]

    async def listed(self, address: LibraryAddress, rights: Rights, request: ListRequest) -> ListReply:
        return await self._listing.documents(rights, request)

    async def scan(self, address: LibraryAddress, request: ScanRequest) -> ScanReply:
        """Only the ingress may ask for it, and lets administrators do so."""
        if self._root is None:
            raise LibraryRefusedError("space-gone", "No folder is followed: DOCQA_ROOT names one.")
        return await self._root.scan(confirm_removals=request.confirm_removals)

    def spaces(self, caller: tuple[LibraryAddress, Rights], request: SpacesRequest) -> SpacesReply:
        _, rights = caller
        return self._listing.spaces(rights)

    def text(self, caller: tuple[LibraryAddress, Rights], request: TextRequest) -> TextReply:
        """For users: without the sentences."""
        return msgspec.structs.replace(self.read(caller, request), sentences=[])

    def read(self, caller: tuple[LibraryAddress, Rights], request: TextRequest) -> TextReply:
        _, rights = caller
        self._readable(rights, [request.document])
        most = max_reply_bytes(self._bus) // 6
        found = self._store.stretch(request.document, request.version, request.page, request.start, request.end, most)
        if found is None:
            raise self._no_text(rights, request)
        wanted = found.characters if request.end is None else min(request.end, found.characters)
        if request.page:
            page = next((page for page in found.pages if page.number == request.page), None)
            wanted = min(wanted, page.end) if page else found.end
        return TextReply(
            document=found.document,
            version=found.version,
            name=found.name,
            space=found.space,
            text=found.text,
            start=found.start,
            end=found.end,
            characters=found.characters,
            next=found.end if found.end < wanted else None,
            page_count=found.page_count,
            pages=found.pages,
            headings=found.headings,
            sentences=found.sentences,
            hidden=found.hidden,
        )

    def _no_text(self, rights: Rights, request: TextRequest) -> LibraryRefusedError:
        status = next(iter(self._statuses(rights, [request.document])), None)
        if status is None or status.state in ("erasing", "erased"):
            return _gone()
        if request.page and status.version:
            return LibraryRefusedError("document-gone", f"The document has no page {request.page}.")
        if request.version and status.version:
            return LibraryRefusedError("document-gone", "This version of the document is not kept any more.")
        if status.state == "failed":
            return LibraryRefusedError("document-not-ready", f"The document could not be read: {status.detail}")
        return LibraryRefusedError("document-not-ready", "The document is still being read.", 2)

    def _readable(self, rights: Rights, ids: list[str]) -> dict[str, tuple[str, str]]:
        """Space and name of each; raises LibraryRefusedError where one is not there for the caller."""
        found = self._store.places_of(ids)
        if any(one not in found or not found[one][1] or not rights.can_read(*found[one]) for one in ids):
            raise _gone()
        return found

    async def search(self, caller: tuple[LibraryAddress, Rights], request: SearchRequest) -> SearchReply:
        has_vectors = await self._embedded(caller[1], request.documents)
        return await asyncio.to_thread(self._found, caller[1], request, has_vectors=has_vectors)

    async def _embedded(self, rights: Rights, documents: list[str]) -> bool:
        """Whether the vectors of short documents are there, after a wait: by words alone they answer too little."""
        if not documents or not self._search.has_vectors:
            return self._search.has_vectors
        began_s = time.monotonic()
        has_waited = False
        while waiting := await asyncio.to_thread(self._unembedded, rights, documents):
            short = sum(one.characters for one in waiting) <= _SHORT_CHARACTERS
            if not short or time.monotonic() - began_s > _VECTORS_WITHIN_S:
                return False
            await asyncio.sleep(_LOOK_AGAIN_S)
            has_waited = True
        if has_waited:
            await asyncio.to_thread(self._search.refresh)
        return True

    def _unembedded(self, rights: Rights, documents: list[str]) -> list[DocumentStatus]:
        return [one for one in self._statuses(rights, documents) if one.vectors == "waiting"]

    def _found(self, rights: Rights, request: SearchRequest, *, has_vectors: bool) -> SearchReply:
        scope = self._scope(rights, request)
        named = self._statuses(rights, request.documents) if request.documents else []
        not_ready = [one.id for one in named if not one.version]
        if named and len(not_ready) == len(named):
            raise _none_ready(named)
        hits = self._search.find(request.query, scope, request.limit, rights.everything())
        return SearchReply(
            hits=fitting(hits, self._bus),
            not_ready=not_ready,
            vectors=has_vectors,
            # In one document a name is often cut short, or said once and then meant.
            names_absent=len(request.documents) != 1 and self._search.names_absent(request.query, scope, hits),
        )

    def _scope(self, rights: Rights, request: SearchRequest) -> Scope:
        if sum(map(bool, (request.documents, request.space, request.path))) > 1:
            raise LibraryRefusedError("bad-request", "Name one of `documents`, `space` and `path`.")
        if request.documents:
            self._readable(rights, request.documents)
            scope = Scope(documents=tuple(request.documents))
        elif request.path:
            if not rights.root:
                raise LibraryRefusedError("space-gone", "There is no such file or folder.")
            scope = rights.of_root(request.path)
        elif request.space:
            space = rights.named(request.space)
            scope = rights.of_root() if space == ROOT_SPACE else Scope(spaces=(space,))
        else:
            scope = rights.everything()
        return msgspec.structs.replace(scope, with_hidden=request.hidden)

    def original(self, caller: tuple[LibraryAddress, Rights], request: OriginalRequest) -> OriginalReply:
        _, rights = caller
        places = self._readable(rights, [request.document])
        space, name = places[request.document]
        if not rights.can_write(space):
            raise LibraryRefusedError("document-gone", "Originals are for who may write the space.")
        sha256 = self._store.original_of(request.document)
        (status,) = self._store.statuses([request.document], EmbedderNames())
        if not sha256:
            raise LibraryRefusedError("document-gone", "Its original is not kept (DOCQA_KEEP_ORIGINALS).")
        with self._files.original(sha256).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(min(request.start, size))
            content = file.read(max_reply_bytes(self._bus) * 5 // 8)
        end = min(request.start, size) + len(content)
        return OriginalReply(
            name=name,
            media_type=status.media_type,
            sha256=sha256,
            size_bytes=size,
            start=min(request.start, size),
            content=content,
            next=end if end < size else None,
        )

    def put(self, caller: tuple[LibraryAddress, Rights], request: PutRequest) -> PutReply:
        _, rights = caller
        name = _clean(request.name)
        if request.document:
            space, _ = self._readable(rights, [request.document])[request.document]
        else:
            space = rights.named(request.space)
        if space == ROOT_SPACE:
            raise LibraryRefusedError("root-read-only", "Files of `root` are changed in the file system.")
        if not rights.can_write(space):
            raise LibraryRefusedError("space-read-only", f"You may read the space `{space}`, and not write to it.")
        if request.size_bytes > self._settings.document_max_bytes:
            most = self._settings.document_max_mb
            raise LibraryRefusedError("too-large", f"The file is larger than DOCQA_DOCUMENT_MAX_MB ({most} MiB).")
        document = request.document or document_id(space, name, request.sha256)
        placed = self._store.place(document, space, request.sha256)
        if placed.state == "queued":
            self._room.check(request.size_bytes)
        return PutReply(
            document=document,
            generation=placed.generation,
            state=placed.state,
            space=space,
            name=name,
            retry_after_s=self._pace.next_free_s(),
        )

    def delete(self, caller: tuple[LibraryAddress, Rights], request: DeleteRequest) -> DeleteReply:
        address, rights = caller
        places = self._store.places_of([request.document])
        space, name = places.get(request.document, ("", ""))
        if not space or not (rights.can_read(space, name) or rights.can_write(space)):
            raise _gone()
        if space == ROOT_SPACE:
            raise LibraryRefusedError("root-read-only", "Remove the file below DOCQA_ROOT: its text goes with it.")
        if not rights.can_write(space):
            raise LibraryRefusedError("space-read-only", f"You may read the space `{space}`, and not write to it.")
        state = self._store.erasure_state(request.document)
        if state is None:
            if not self._store.add_tombstone(request.document, address.publisher, address.client):
                raise _gone()
            state = "erasing"
        if state == "erasing":
            self._on_erase(request.document)
        return DeleteReply(document=request.document, state=state)

    def snapshot(self, caller: tuple[LibraryAddress, Rights], request: SnapshotRequest) -> SnapshotReply:
        if request.is_done:
            self._store.drop_snapshot(SNAPSHOT_FILE)
            return SnapshotReply(file=SNAPSHOT_FILE, size_bytes=0)
        size = self._store.snapshot(SNAPSHOT_FILE)
        return SnapshotReply(file=SNAPSHOT_FILE, size_bytes=size)


def _none_ready(named: list[DocumentStatus]) -> LibraryRefusedError:
    if all(one.state == "failed" for one in named):
        which = "The document could not" if len(named) == 1 else "None of the documents could"
        return LibraryRefusedError("document-not-ready", f"{which} be read: {named[0].detail}")
    return LibraryRefusedError("document-not-ready", "None of the documents has been read yet.", 2)


def _gone() -> LibraryRefusedError:
    return LibraryRefusedError("document-gone", "There is no such document.")


def _clean(name: str) -> str:
    """A name on one line, without control characters and secrets; raises LibraryRefusedError where nothing is left."""
    cleaned = sanitize(" ".join("".join(sign if sign.isprintable() else " " for sign in name).split())).text
    if not cleaned:
        raise LibraryRefusedError("bad-request", "Field `name` is blank: name the document.")
    return cleaned
