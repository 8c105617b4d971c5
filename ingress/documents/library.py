"""What clients ask of the library, over the bus, and what its refusals are over HTTP. Knows no HTTP request."""

import time
from typing import Final, TypeVar

import msgspec

from contract import topology
from contract.bus import Bus
from contract.bus.library_client import ask
from contract.errors import AlreadyAcceptedError, BusError, LibraryRefusedError, OutcomeUnknownError, QueueFullError
from contract.library_messages import ImportWork, PutReply, PutRequest, StatusReply, StatusRequest, encode
from contract.topology import ImportName, LibraryOperation
from ingress import problems
from ingress.documents.spool import Spool, Spooled
from ingress.jobs.promises import Promises
from ingress.problems import Problem

T = TypeVar("T", bound=msgspec.Struct)

_REFUSED: Final = {
    "bad-request": (400, "The request can't be understood"),
    "document-gone": (404, "There is no such document"),
    "document-not-ready": (409, "The document is still being read"),
    "library-full": (429, "The library takes no more documents now"),
    "library-unavailable": (503, "The library does not answer"),
    "root-read-only": (409, "Files of DOCQA_ROOT are changed in the file system"),
    "space-gone": (404, "There is no such space"),
    "space-read-only": (403, "This space may be read, not written"),
    "too-large": (413, "The document is too large"),
}


_NOBODY: Final = "health"
_NO_DOCUMENT: Final = "00000000-0000-4000-8000-000000000000"


class Library:
    """One ingress's way to the library; everything is asked for one client."""

    def __init__(self, bus: Bus, spool: Spool) -> None:
        self._bus = bus
        self._spool = spool
        self._promises = Promises()
        self.was_seen = False
        """Whether it ever answered a probe: a system may have none."""

    async def ask(self, operation: LibraryOperation, client: str, request: msgspec.Struct, reply: type[T]) -> T:
        """The library's reply; raises Problem."""
        try:
            return await ask(self._bus, operation, topology.HTTP_PUBLISHER, client, request, reply)
        except LibraryRefusedError as error:
            raise refused(error) from None

    async def probe(self) -> StatusReply:
        """How many documents there are, and what is wrong now. Raises Problem where no library answers."""
        wanted = StatusRequest(documents=[_NO_DOCUMENT], counts=True, problems=True)
        found = await self.ask("status", _NOBODY, wanted, StatusReply)
        self.was_seen = True
        return found

    async def put(self, client: str, spooled: Spooled, request: PutRequest) -> PutReply:
        """Bring a received file in: a place for it, its name in the spool, then the work. Raises Problem.

        The work is published last: whatever dies before, nothing was accepted, and the spool is swept.
        """
        place = await self.ask("put", client, request, PutReply)
        if place.state != "queued":
            return place
        name = ImportName(topology.HTTP_PUBLISHER, client, place.document, place.generation)
        work = ImportWork(
            space=place.space,
            name=place.name,
            sha256=spooled.sha256,
            size_bytes=spooled.size_bytes,
            media_type=request.media_type,
        )
        kept, key = await self._spool.keep(spooled, name.spool_name), f"{client} {place.document}"
        try:
            await self._bus.publish_import(name, encode(work))
            self._promises.keep(key)
        except AlreadyAcceptedError:
            pass  # the same file, uploaded again while it waits
        except QueueFullError:
            kept.unlink(missing_ok=True)
            raise _full(self._promises.promise(key, 1 / max(place.retry_after_s, 1), time.monotonic())) from None
        except OutcomeUnknownError:
            # The work may be on the stream: its file stays, or is swept when nothing refers to it.
            raise _unknown(place.document) from None
        except BusError:
            kept.unlink(missing_ok=True)
            raise problems.bus_unavailable("The document was not accepted: send it again in a few seconds.") from None
        return place


def refused(error: LibraryRefusedError) -> Problem:
    """The library's refusal as a problem; a code that this version does not know is a 502 that shows its sentence."""
    status, title = _REFUSED.get(error.code, (502, "The library refused"))
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else {}
    return Problem(status, error.code, title, str(error), headers=headers)


def _full(retry_after_s: int) -> Problem:
    sentence = f"As many documents wait to be read as may (DOCQA_LIBRARY_QUEUE): come back in {retry_after_s} s."
    return refused(LibraryRefusedError("library-full", sentence, retry_after_s))


def _unknown(document: str) -> Problem:
    return Problem(
        503,
        "outcome-unknown",
        "The bus did not say whether it stored the work",
        f"Look at /api/documents/{document} in a few seconds, or send the file again: it is taken once.",
        headers={"Retry-After": "5", "Location": f"/api/documents/{document}"},
        id=document,
    )
