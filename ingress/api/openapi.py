"""The API's description, as OpenAPI 3.1. Made from the same Structs that decode and encode the messages.

Not Litestar's own generator: the handlers decode bodies themselves, so that a refusal names the field and costs little.
"""

from importlib import metadata
from typing import Any, Final, Literal

import msgspec
from litestar import Response, get

from contract import lenient
from contract.messages import Answer, Failure, Question
from ingress.api import openapi_documents
from ingress.api.openai import description
from ingress.api.preference import EVENT_STREAM, MAX_KEY_CHARS
from ingress.api.usage import UsageReply
from ingress.jobs.status import Unfinished
from ingress.problems import MEDIA_TYPE

JSON: Final = "application/json"
_REFERENCES: Final = "#/components/schemas/{name}"


class Accepted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job that was accepted; its result will be at `location`.

    `position`: jobs accepted earlier without a result; `expected_s`: seconds until the answer; both are estimates.
    """

    id: str
    status: Literal["queued"]
    location: str
    position: int | None = None
    expected_s: float | None = None


class ProblemDetails(msgspec.Struct, frozen=True):
    """RFC 9457. `type` is stable; some problems have more members, such as sizes."""

    type: str
    title: str
    status: int
    detail: str


def document(version: str) -> dict[str, Any]:
    """The whole OpenAPI document, self-contained."""
    _, schemas = msgspec.json.schema_components(
        (
            Question,
            Answer,
            Failure,
            Unfinished,
            Accepted,
            ProblemDetails,
            UsageReply,
            *openapi_documents.SCHEMAS,
            *description.SCHEMAS,
        ),
        ref_template=_REFERENCES,
    )
    schemas["Question"] = lenient.schema(schemas["Question"])
    return {
        "openapi": "3.1.0",
        "info": {"title": "Goblin DocQA", "version": version, "license": {"name": "MIT", "identifier": "MIT"}},
        "paths": {
            "/api/query": {"post": _ask()},
            "/api/jobs/{job_id}": {"get": _read_job(), "delete": _delete_job()},
            **openapi_documents.paths(),
            **description.paths(),
            "/api/usage": {"get": _usage()},
            "/health": {"get": _open("Status of the whole system", 200, 503, kind="object")},
            "/health/live": {"get": _open("The process serves requests", 200, kind="object")},
            "/health/ready": {"get": _open("The process can accept questions", 200, kind="object", refusals=(503,))},
            "/metrics": {"get": _metrics()},
            "/schema": {"get": _open("This description", 200, kind="object")},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _ask() -> dict[str, Any]:
    return {
        "operationId": "ask",
        "summary": "Ask a question about a document",
        "security": _SECURITY,
        "parameters": [
            _header("Prefer", {"type": "string"}, "`respond-async`, `wait=N` in seconds (RFC 7240)"),
            _header("Idempotency-Key", _KEY, "The same key and body are the same job, whatever the number of tries"),
        ],
        "requestBody": {"required": True, "content": {JSON: {"schema": _ref("Question")}}},
        "responses": {
            "200": {
                "description": "The answer; as events when the client accepts an event stream",
                "content": {JSON: {"schema": _ref("Answer")}, EVENT_STREAM: {"schema": {"type": "string"}}},
            },
            "202": _body("Accepted: come back to `location`", "Accepted"),
            **_problems(400, 401, 403, 408, 409, 410, 413, 415, 421, 422, 429, 431, 500, 502, 503, 504),
        },
    }


def _read_job() -> dict[str, Any]:
    return {
        "operationId": "read_job",
        "summary": "Status and result of one of this client's jobs",
        "security": _SECURITY,
        "parameters": [_JOB_ID],
        "responses": {
            "200": _body("Queued, running, done or failed", "Unfinished", "Answer", "Failure"),
            **_problems(400, 401, 403, 404, 421, 429, 431, 503),
        },
    }


def _usage() -> dict[str, Any]:
    return {
        "operationId": "usage",
        "summary": "This client's answers and tokens by day",
        "security": _SECURITY,
        "responses": {"200": _body("The last 14 days", "UsageReply"), **_problems(400, 401, 403, 421, 429, 431, 503)},
    }


def _delete_job() -> dict[str, Any]:
    return {
        "operationId": "delete_job",
        "summary": "Cancel a job that has not ended, erase the result of one that has",
        "security": _SECURITY,
        "parameters": [_JOB_ID],
        "responses": {
            "200": _body("Erased", "Failure"),
            "202": _body("Cancelled", "Failure"),
            **_problems(400, 401, 403, 404, 421, 429, 431, 503),
        },
    }


def _metrics() -> dict[str, Any]:
    described = _open("Metrics in Prometheus' text format", 200, media_type="text/plain", refusals=(401, 403))
    return {**described, "security": _SECURITY}


def _open(
    summary: str, *statuses: int, kind: str = "string", media_type: str = JSON, refusals: tuple[int, ...] = ()
) -> dict[str, Any]:
    """A route that needs no token."""
    content = {media_type: {"schema": {"type": kind}}}
    answers = {str(status): {"description": summary, "content": content} for status in statuses}
    return {"summary": summary, "responses": {**answers, **_problems(400, 421, 431, *refusals)}}


def _body(description: str, *names: str) -> dict[str, Any]:
    schema = _ref(names[0]) if len(names) == 1 else {"oneOf": [_ref(name) for name in names]}
    return {"description": description, "content": {JSON: {"schema": schema}}}


def _problems(*statuses: int) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": _ref("ProblemDetails")}}
    return {str(status): {"description": "A problem that says what to do", "content": content} for status in statuses}


def _header(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REFERENCES.format(name=name)}


@get("/schema")
async def show_schema() -> Response[bytes]:
    """The description, as JSON."""
    return Response(_SCHEMA, media_type=JSON)


_KEY: Final = {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS, "pattern": "^[!-~]+$"}
_JOB_ID: Final = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_SECURITY: Final[list[dict[str, list[str]]]] = [{}, {"bearer": []}]
_SCHEMA: Final = msgspec.json.encode(document(metadata.version("goblin-docqa")))
