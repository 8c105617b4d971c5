"""Refusals in OpenAI's form: `{"error": {"message", "type", "param", "code"}}`, made from the API's own problems."""

import re
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from contract.errors import BadMessageError
from ingress import problems
from ingress.problems import Problem

PREFIX: Final = "/v1/"
JSON: Final = "application/json"

_CODES: Final = {
    "unauthorized": "invalid_api_key",
    "queue-full": "rate_limit_exceeded",
    "client-quota": "rate_limit_exceeded",
    "rate-limited": "rate_limit_exceeded",
    "library-full": "rate_limit_exceeded",
    "prompt-too-long": "context_length_exceeded",
    "budget-exhausted": "insufficient_quota",
    "space-gone": "model_not_found",
}
_PARAMS: Final = {"space-gone": "model", "prompt-too-long": "messages"}
_STATUSES: Final = {"prompt-too-long": 400}
"""What OpenAI answers with another status than the API here; clients go by it."""
_NOT_REPEATED: Final = frozenset({"attempts-exhausted", "cancelled", "deadline-exceeded", "key-reused"})
"""Clients repeat some statuses by themselves; here that would only make the same work again."""
_OWN_MEMBERS: Final = frozenset({"type", "title", "status", "detail"})
_PARAM: Final = re.compile(r"(?:Field|Parameter|Header) `([^`]+)`")


def invalid(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> Problem:
    """A request that can't be done as it is; `param` names what to change."""
    return Problem(status, code or "bad-request", "The request can't be understood", message, param=param)


def unsupported(param: str, message: str) -> Problem:
    """A parameter that is understood and not offered."""
    return invalid(message, param, "unsupported_parameter")


def no_such_model(name: str) -> Problem:
    message = f"There is no model {name[:200]!r}, or you may not read its documents: GET /v1/models lists yours."
    return invalid(message, "model", "model_not_found", 404)


def body_of(problem: Problem) -> dict[str, Any]:
    """The error as OpenAI's clients read it. Sizes and other members of the problem are kept beside."""
    detail = problem.body["detail"]
    found = _PARAM.match(detail)
    beside = {name: value for name, value in problem.body.items() if name not in {*_OWN_MEMBERS, "param"}}
    if problem.kind == "prompt-too-long":
        detail = _too_long(problem.body)
    return {
        "error": {
            "message": detail,
            "type": _type(problem),
            "param": problem.body.get("param") or _PARAMS.get(problem.kind) or (found[1] if found else None),
            "code": _CODES.get(problem.kind, problem.kind.replace("-", "_")),
            "kind": problem.kind,
            **beside,
        }
    }


def response_of(problem: Problem) -> Response[bytes]:
    """The whole response, with the headers by which clients decide whether and when to come back."""
    headers = dict(problem.headers)
    if retry_after := headers.get("Retry-After"):
        headers["Retry-After-Ms"] = str(int(retry_after) * 1000)
    if problem.kind in _NOT_REPEATED:
        headers["X-Should-Retry"] = "false"
    body = msgspec.json.encode(body_of(problem))
    status = _STATUSES.get(problem.kind, problem.status)
    return Response(body, status_code=status, media_type=JSON, headers=headers)


def _type(problem: Problem) -> str:
    status = _STATUSES.get(problem.kind, problem.status)
    if status == 429 or problem.kind == "budget-exhausted":
        return "rate_limit_error"
    if status == 401:
        return "authentication_error"
    if status == 403:
        return "permission_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def _too_long(body: dict[str, Any]) -> str:
    """In the words that clients look for."""
    if "limit_tokens" in body:
        limit, size, unit = body["limit_tokens"], body["prompt_tokens"], "tokens"
    else:
        limit, size, unit = body.get("limit_bytes"), body.get("size_bytes"), "bytes"
    return (
        f"This model's maximum context length leaves {limit} {unit} for messages, and yours have {size} {unit}: "
        "shorten the messages, or leave out earlier ones."
    )


def on_problem(_: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    return response_of(problem)


def on_bad_message(_: Request[Any, Any, Any], error: BadMessageError) -> Response[bytes]:
    return response_of(invalid(str(error)))


def on_bus_unavailable(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return response_of(problems.bus_unavailable())


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Litestar's own refusals; of a path that is not below /v1 in the API's own form."""
    problem = problems.problem_for(request, error)
    return response_of(problem) if request.url.path.startswith(PREFIX) else problem.response()


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A defect in this service: logged with its traceback, reported without it."""
    return response_of(problems.defect(request, error))
