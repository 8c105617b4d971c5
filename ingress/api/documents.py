"""The HTTP routes of documents: brought in, listed, read, searched, erased. The library answers, and decides."""

from collections.abc import AsyncGenerator
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from litestar import Response, Router, get, post, route
from litestar.params import FromPath
from litestar.response import Stream

from contract import topology
from contract.documents import DocumentStatus
from contract.errors import BadMessageError, LibraryRefusedError
from contract.library_messages import (
    DeleteReply,
    DeleteRequest,
    ListReply,
    ListRequest,
    OriginalReply,
    OriginalRequest,
    PutReply,
    PutRequest,
    ScanReply,
    ScanRequest,
    SpacesReply,
    SpacesRequest,
    StatusReply,
    StatusRequest,
    TextReply,
    TextRequest,
    decode_request,
    encode,
)
from contract.search_messages import SearchReply, SearchRequest
from contract.topology import is_canonical_uuid, private_space
from ingress.api.openapi_documents import TakenDocument
from ingress.api.routes import JSON, require_json, require_uncompressed
from ingress.auth.authenticate import authenticator
from ingress.auth.rate_limiter import Limiter
from ingress.documents.library import refused
from ingress.documents.upload import receive
from ingress.problems import Problem
from ingress.services import HttpRequest, HttpResponse, Services, services_of

T = TypeVar("T", bound=msgspec.Struct)


@route("/documents", http_method=["GET", "POST"], status_code=200, request_max_body_size=None)
async def documents(request: HttpRequest) -> HttpResponse:
    """One handler for both methods: Litestar's OPTIONS would know the first of two only."""
    return await (add_document if request.method == "POST" else list_documents)(request)


async def add_document(request: HttpRequest) -> HttpResponse:
    """Bring a file in: 202 while it is read, 200 where the same file is there already."""
    return _accepted((await bring_in(request))[0])


async def list_documents(request: HttpRequest) -> HttpResponse:
    """A page of a space's documents, in the order of their names."""
    wanted = _asked(ListRequest, request, "space", "name", "cursor", "limit")
    found = await ask_library(request, "list", wanted, ListReply)
    return _reply(msgspec.structs.replace(found, documents=[_public(request, one) for one in found.documents]))


@route(
    "/documents/{document_id:str}", http_method=["GET", "PUT", "DELETE"], status_code=200, request_max_body_size=None
)
async def one_document(request: HttpRequest, document_id: FromPath[str]) -> HttpResponse:
    """One handler for all methods, as above."""
    handler = {"GET": read_document, "PUT": replace_document, "DELETE": erase_document}[request.method]
    return await handler(request, known_id(document_id))


async def replace_document(request: HttpRequest, document_id: str) -> HttpResponse:
    """Bring in the next version of a document; the text before it is kept for what cites it."""
    return _accepted((await bring_in(request, document_id))[0])


async def read_document(request: HttpRequest, document_id: str) -> HttpResponse:
    """How far reading is, and what is known of the document."""
    return _reply(_public(request, await status_in_library(request, document_id)))


async def erase_document(request: HttpRequest, document_id: str) -> HttpResponse:
    """202 while it is being erased, when no question is answered from it any more; 200 once no file holds its text."""
    reply = await ask_library(request, "delete", DeleteRequest(document=document_id), DeleteReply)
    return _reply(reply, 200 if reply.state == "erased" else 202)


@get("/documents/{document_id:str}/text")
async def read_text(request: HttpRequest, document_id: FromPath[str]) -> HttpResponse:
    """A page, or a stretch, of the canonical text that answers cite; `next` says where it goes on."""
    wanted = _asked(TextRequest, request, "version", "page", "start", "end", document=known_id(document_id))
    return _reply(await ask_library(request, "text", wanted, TextReply))


@get("/documents/{document_id:str}/original")
async def read_original(request: HttpRequest, document_id: FromPath[str]) -> Response[Any]:
    """The file as it was uploaded, for who may write its space."""
    return await original_of(request, document_id)


async def original_of(request: HttpRequest, document_id: str) -> Response[Any]:
    """A document's file, piece by piece; raises Problem."""
    first = await ask_library(request, "original", OriginalRequest(document=known_id(document_id)), OriginalReply)
    headers = {
        # Never shown as a page of this site, whatever the file is.
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(first.name, safe='')}",
        "Content-Length": str(first.size_bytes),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Stream(_pieces(request, document_id, first), media_type=first.media_type or "application/octet-stream",
                  headers=headers)  # fmt: skip


@get("/spaces")
async def list_spaces(request: HttpRequest) -> HttpResponse:
    """All spaces that the client may read, its own one first."""
    return _reply(await ask_library(request, "spaces", SpacesRequest(), SpacesReply))


@post("/search", status_code=200)
async def search(request: HttpRequest) -> HttpResponse:
    """The passages that answer a query best, without a model."""
    require_json(request)
    return _reply(
        await ask_library(request, "search", decode_request(SearchRequest, await request.body()), SearchReply)
    )


@post("/root/scan", status_code=200)
async def scan_root(request: HttpRequest) -> HttpResponse:
    """Look at DOCQA_ROOT now. Administrators only: it names what is left alone, and removes what they confirm."""
    wanted = _asked(ScanRequest, request, "confirm_removals")
    return _reply(await ask_library(request, "scan", wanted, ScanReply))


def create_root(services: Services) -> Router:
    """The routes for administrators."""
    return Router("/api", route_handlers=[scan_root], before_request=authenticator(services.keyring, "admin"))


def create_documents(services: Services) -> Router:
    """The routes for those who may ask."""
    handlers = [documents, one_document, read_text, read_original, list_spaces, search]
    return Router("/api", route_handlers=handlers, before_request=authenticator(services.keyring, "query", Limiter()))


async def bring_in(request: HttpRequest, document: str | None = None) -> tuple[PutReply, int]:
    """Take the request's file: its place in the library, and its size in bytes. Raises Problem."""
    require_uncompressed(request)
    services = services_of(request)
    upload = await receive(dict(request.headers), request.stream())
    async with services.spool.received(upload.chunks) as spooled:
        wanted = PutRequest(
            name=upload.name,
            sha256=spooled.sha256,
            size_bytes=spooled.size_bytes,
            space=request.query_params.get("space", ""),
            document=document,
            media_type=upload.media_type,
        )
        place = await services.library.put(request.user.client, spooled, wanted)
        return place, spooled.size_bytes


def _accepted(place: PutReply) -> HttpResponse:
    location = f"/api/documents/{place.document}"
    taken = TakenDocument(id=place.document, state=place.state, name=place.name, location=location)
    status = 200 if place.state == "ready" else 202
    return Response(encode(taken), status_code=status, media_type=JSON, headers={"Location": location})


async def status_in_library(request: HttpRequest, document_id: str) -> DocumentStatus:
    """What the library knows of a document; raises Problem where there is none for this client."""
    found = await ask_library(request, "status", StatusRequest(documents=[document_id]), StatusReply)
    if not found.documents:
        raise _gone()
    return found.documents[0]


async def _pieces(request: HttpRequest, document_id: str, piece: OriginalReply) -> AsyncGenerator[bytes, None]:
    yield piece.content
    while piece.next is not None:
        piece = await ask_library(
            request, "original", OriginalRequest(document=document_id, start=piece.next), OriginalReply
        )
        yield piece.content


async def ask_library(
    request: HttpRequest, operation: topology.LibraryOperation, wanted: msgspec.Struct, reply: type[T]
) -> T:
    """The library's reply for the request's client; raises Problem."""
    return await services_of(request).library.ask(operation, request.user.client, wanted, reply)


def _asked(kind: type[T], request: HttpRequest, *names: str, **members: Any) -> T:
    """The request's parameters as a message; raises BadMessageError with a sentence that names the parameter."""
    given = {name: request.query_params[name] for name in names if name in request.query_params}
    try:
        return msgspec.convert({**given, **members}, kind, strict=False)
    except msgspec.ValidationError as error:
        what, _, name = str(error).partition(" - at `$.")
        raise BadMessageError(f"Parameter `{name.rstrip('`')}`: {what[0].lower()}{what[1:]}.") from None


def known_id(document_id: str) -> str:
    """An id that a document may have; raises Problem for what is none."""
    if not is_canonical_uuid(document_id):
        raise _gone()
    return document_id


def _gone() -> Problem:
    return refused(LibraryRefusedError("document-gone", "No document that you may read has this id."))


def _public(request: HttpRequest, document: DocumentStatus) -> DocumentStatus:
    """A client's own space has no name for it: it is where its documents go unasked."""
    own = private_space(topology.HTTP_PUBLISHER, request.user.client)
    return msgspec.structs.replace(document, space="") if document.space == own else document


def _reply(message: msgspec.Struct, status: int = 200) -> HttpResponse:
    return Response(encode(message), status_code=status, media_type=JSON)
