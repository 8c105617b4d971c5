"""The documents' part of the API's description."""

from typing import Any, Final

import msgspec

from contract.documents import DocumentStatus
from contract.library_messages import DeleteReply, ListReply, ScanReply, SpacesReply, TextReply
from contract.search_messages import SearchReply, SearchRequest

Json = dict[str, Any]


class TakenDocument(msgspec.Struct, frozen=True):
    """A file that was taken: `queued` or `reading`, or `ready` where it was there already; look at `location`."""

    id: str
    state: str
    name: str
    location: str


SCHEMAS: Final = (
    DeleteReply,
    DocumentStatus,
    ListReply,
    ScanReply,
    SearchReply,
    SearchRequest,
    SpacesReply,
    TakenDocument,
    TextReply,
)
"""What the routes take and return."""
_SECURITY: Final[list[dict[str, list[str]]]] = [{}, {"bearer": []}]
_ID: Final = {"name": "document_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_ALWAYS: Final = (400, 401, 403, 421, 429, 431, 503)


def paths() -> Json:
    """A path item for each route."""
    one = {
        "get": _operation(
            "read_document", "How far a document is read, and what is known of it", "DocumentStatus", 404
        ),
        "put": _upload("replace_document", "Bring in a document's next version", 404, 409),
        "delete": _operation("erase_document", "Erase a document: text, index, original", "DeleteReply", 404, 409),
    }
    one["delete"]["responses"]["202"] = _body("Being erased; no question is answered from it any more", "DeleteReply")
    return {
        "/api/documents": {"get": _list(), "post": _upload("add_document", "Bring in a document", 404)},
        "/api/documents/{document_id}": _with_id(one),
        "/api/documents/{document_id}/text": _with_id({"get": _text()}),
        "/api/documents/{document_id}/original": _with_id({"get": _original()}),
        "/api/spaces": {"get": _operation("list_spaces", "The spaces that the client may read", "SpacesReply")},
        "/api/root/scan": {"post": _scan()},
        "/api/search": {"post": _search()},
    }


def _list() -> Json:
    parameters = [_parameter(name, {"type": "string"}) for name in ("space", "name", "cursor")]
    parameters.append(_parameter("limit", {"type": "integer", "minimum": 1, "maximum": 1000}))
    return {**_operation("list_documents", "A page of a space's documents", "ListReply", 404), "parameters": parameters}


def _upload(name: str, summary: str, *statuses: int) -> Json:
    file = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
    content = {"multipart/form-data": {"schema": file}, "application/octet-stream": {"schema": {"type": "string"}}}
    described = _operation(name, summary, "TakenDocument", 408, 413, 415, *statuses)
    described["responses"]["202"] = _body("Accepted: it is read now; look at `location`", "TakenDocument")
    space = _parameter("space", {"type": "string"})
    return {**described, "parameters": [space], "requestBody": {"required": True, "content": content}}


def _text() -> Json:
    numbers = [_parameter(name, {"type": "integer", "minimum": 0}) for name in ("page", "start", "end")]
    described = _operation("read_text", "A stretch of the canonical text that answers cite", "TextReply", 404, 409)
    return {**described, "parameters": [*numbers, _parameter("version", {"type": "string"})]}


def _original() -> Json:
    described = _operation(
        "read_original", "The file as it was uploaded, for who may write its space", "TakenDocument", 404
    )
    file = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    described["responses"]["200"] = {"description": "The file", "content": file}
    return described


def _scan() -> Json:
    confirm = _parameter("confirm_removals", {"type": "boolean", "default": False})
    described = _operation("scan_root", "Look at the files below DOCQA_ROOT now", "ScanReply", 404)
    return {**described, "parameters": [confirm]}


def _search() -> Json:
    body = {"required": True, "content": {"application/json": {"schema": _ref("SearchRequest")}}}
    described = _operation(
        "search", "The passages that answer best, without a model", "SearchReply", 404, 408, 413, 415
    )
    return {**described, "requestBody": body}


def _operation(name: str, summary: str, reply: str, *statuses: int) -> Json:
    problem = {"application/problem+json": {"schema": _ref("ProblemDetails")}}
    refusals = {
        str(status): {"description": "A problem that says what to do", "content": problem}
        for status in sorted({*_ALWAYS, *statuses})
    }
    return {
        "operationId": name,
        "summary": summary,
        "security": _SECURITY,
        "responses": {"200": _body(summary, reply), **refusals},
    }


def _with_id(operations: Json) -> Json:
    return {name: {**one, "parameters": [_ID, *one.get("parameters", [])]} for name, one in operations.items()}


def _parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _body(description: str, name: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": _ref(name)}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
