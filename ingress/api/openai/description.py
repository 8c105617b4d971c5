"""The part of OpenAI's API in the description of all routes (OpenAPI)."""

from typing import Any, Final

import msgspec

from ingress.api.openai.chat_request import ChatRequest
from ingress.api.openai.embeddings import EmbeddingsRequest
from ingress.api.openai.responses_request import ResponsesRequest

Json = dict[str, Any]


class ErrorDetails(msgspec.Struct, frozen=True):
    """`kind` is the problem's type in the API's own form; some errors have more members, such as sizes."""

    message: str
    type: str
    kind: str
    param: str | None = None
    code: str | None = None


class OpenAIError(msgspec.Struct, frozen=True):
    """A refusal or failure, as OpenAI's clients read it."""

    error: ErrorDetails


SCHEMAS: Final = (ChatRequest, EmbeddingsRequest, OpenAIError, ResponsesRequest)
"""What the routes take and return, apart from what OpenAI's own reference describes."""

_JSON: Final = "application/json"
_SECURITY: Final[list[dict[str, list[str]]]] = [{}, {"bearer": []}]
_ALWAYS: Final = (400, 401, 403, 429, 503)
_PROBLEMS: Final = (421, 431)
"""Refused before the request reaches a route, in the API's own form."""
_ASKING: Final = (404, 408, 409, 410, 413, 415, 422, 500, 502, 504)


def paths() -> Json:
    """A path item for each route."""
    return {
        "/v1/chat/completions": {"post": _asking("chat", "Answer a conversation", "ChatRequest")},
        "/v1/responses": {"post": _asking("respond", "Answer an input; nothing is stored", "ResponsesRequest")},
        "/v1/embeddings": {"post": _embedding()},
        "/v1/files": {
            "get": operation("list_files", "The files of a space"),
            "post": _uploading(),
        },
        "/v1/files/{file_id}": {
            "get": {**operation("read_file", "One file", 404), "parameters": [path_parameter("file_id")]},
            "delete": {**operation("erase_file", "Erase a file", 404, 409), "parameters": [path_parameter("file_id")]},
        },
        "/v1/files/{file_id}/content": {
            "get": {
                **operation("file_content", "The file as it was uploaded", 404),
                "parameters": [path_parameter("file_id")],
            }
        },
        "/v1/models": {"get": operation("list_models", "The models: the plain one, and one for each space")},
        "/v1/models/{name}": {
            "get": {**operation("read_model", "One model", 404), "parameters": [path_parameter("name")]}
        },
    }


def operation(name: str, summary: str, *statuses: int) -> Json:
    """A route that answers with an object of OpenAI's, and these statuses besides those of every route."""
    error = {_JSON: {"schema": {"$ref": "#/components/schemas/OpenAIError"}}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    refusals = {
        str(status): {"description": "An error that says what to do", "content": error | problem}
        for status in sorted({*_ALWAYS, *_PROBLEMS, *statuses})
    }
    answer = {"description": summary, "content": {_JSON: {"schema": {"type": "object"}}}}
    return {
        "operationId": f"openai_{name}",
        "summary": summary,
        "security": _SECURITY,
        "responses": {"200": answer, **refusals},
    }


def path_parameter(name: str) -> Json:
    """A part of a path."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _asking(name: str, summary: str, request: str) -> Json:
    described = operation(name, summary, *_ASKING)
    described["responses"]["200"]["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    body = {_JSON: {"schema": {"$ref": f"#/components/schemas/{request}"}}}
    return {**described, "requestBody": {"required": True, "content": body}}


def _embedding() -> Json:
    body = {_JSON: {"schema": {"$ref": "#/components/schemas/EmbeddingsRequest"}}}
    described = operation("embed", "A vector for each text", 404, 408, 413, 415)
    return {**described, "requestBody": {"required": True, "content": body}}


def _uploading() -> Json:
    file = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
    described = operation("add_file", "Bring a file in", 404, 408, 413, 415)
    return {**described, "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": file}}}}
