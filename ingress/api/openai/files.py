"""`/v1/files`: another name for documents, so that OpenAI's clients can bring them in. The library decides."""

import time
from typing import Any, Final

import msgspec
from litestar import Response, get, route
from litestar.params import FromPath

from contract.documents import DocumentStatus
from contract.library_messages import DeleteReply, DeleteRequest, ListReply, ListRequest
from ingress.api.documents import ask_library, bring_in, known_id, original_of, status_in_library
from ingress.api.openai.errors import JSON, response_of
from ingress.problems import Problem
from ingress.services import HttpRequest, HttpResponse

MOST_LISTED: Final = 10_000
_PURPOSE: Final = "user_data"
_STATUSES: Final = {"ready": "processed", "failed": "error"}
"""By a document's state; any other is being read."""

Json = dict[str, Any]


@route("/files", http_method=["GET", "POST"], status_code=200, request_max_body_size=None)
async def files(request: HttpRequest) -> HttpResponse:
    """List the files of a space (`?space=`), or bring one in."""
    return await (_add if request.method == "POST" else _list)(request)


@route("/files/{file_id:str}", http_method=["GET", "DELETE"], status_code=200)
async def one_file(request: HttpRequest, file_id: FromPath[str]) -> HttpResponse:
    """What is known of a file, or its erasure."""
    if request.method == "DELETE":
        await ask_library(request, "delete", DeleteRequest(document=known_id(file_id)), DeleteReply)
        return _reply({"id": file_id, "object": "file", "deleted": True})
    return _reply(_file(await status_in_library(request, known_id(file_id))))


@get("/files/{file_id:str}/content")
async def file_content(request: HttpRequest, file_id: FromPath[str]) -> Response[Any]:
    """The file as it was uploaded, for who may write its space."""
    return await original_of(request, file_id)


async def _add(request: HttpRequest) -> HttpResponse:
    try:
        place, size_bytes = await bring_in(request)
    except Problem as problem:
        return response_of(problem)
    found = DocumentStatus(
        id=place.document,
        space=place.space,
        name=place.name,
        state=place.state,
        generation=place.generation,
        size_bytes=size_bytes,
        created_ms=int(time.time() * 1000),
    )
    return _reply(_file(found))


async def _list(request: HttpRequest) -> HttpResponse:
    """All of them: OpenAI's clients name a file where ours have a cursor."""
    found: list[Json] = []
    wanted = ListRequest(space=request.query_params.get("space", ""))
    while len(found) < MOST_LISTED:
        page = await ask_library(request, "list", wanted, ListReply)
        found += map(_file, page.documents)
        if not page.cursor:
            break
        wanted = msgspec.structs.replace(wanted, cursor=page.cursor)
    return _reply({"object": "list", "data": found, "has_more": False})


def _file(document: DocumentStatus) -> Json:
    return {
        "id": document.id,
        "object": "file",
        "bytes": document.size_bytes,
        "created_at": document.created_ms // 1000,
        "filename": document.name,
        "purpose": _PURPOSE,
        "status": _STATUSES.get(document.state, "uploaded"),
        "status_details": document.detail or None,
    }


def _reply(body: Json) -> HttpResponse:
    return Response(msgspec.json.encode(body), media_type=JSON)
