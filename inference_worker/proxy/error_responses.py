"""What an error response of the proxy's API means. Pure; quotes of the API's words only what holds no secret."""

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec

from contract.errors import DocQAError
from contract.sanitize import sanitize
from inference_worker.proxy import context_length
from inference_worker.proxy.errors import ApiError, NotUnderstoodError, ParameterError, TooLongError
from inference_worker.proxy.request import REFUSABLE
from inference_worker.proxy.retries import retry_after_s

_PASSING: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_COSTS_NOTHING: Final = frozenset({429, 503, 529, *range(400, 408)})
"""Refused before anything was generated. After a gateway's 502 or 504 that is not known."""
_KEY: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_NOT_UNDERSTOOD: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
_UNSUPPORTED: Final = ("unsupported_parameter", "unsupported_value")
_UNSUPPORTED_NAME: Final = re.compile(r"[Uu]nsupported (?:parameter|value): ['\"`\\\\]*([a-z_]{1,40})['\"`\\\\]")
"""Some gateways pass on the sentence and not the code."""
_MENTIONED: Final = re.compile(r"\b(?:stream[_ -]options|temperature|top[_ -]p|seed)\b", re.IGNORECASE)
"""Parameters that a question can do without: whatever is said of one, it is left out."""
_QUOTA: Final = "insufficient_quota"
_ERROR_FIELDS: Final = ("error", "errors", "detail")
_WORDS_FIELDS: Final = ("message", "msg", "detail", "description", "title")
_MOST_QUOTED_CHARS: Final = 200


class _Error(msgspec.Struct):
    message: Any = None
    code: Any = None
    type: Any = None
    param: Any = None
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


def redirect(host: str) -> ApiError:
    """Followed, a redirect would send the text and the key to wherever it says."""
    return ApiError(
        f"The proxy redirects to {_plain(host)}, which is not followed: let COPILOT_API_URL name where the API is.",
        may_have_cost=False,
    )


def refusal(status: int, retry_after: str | None, content: bytes, max_tokens: int = 0) -> ApiError:
    """For any status but 200 and redirects. `max_tokens` is the longest answer that was asked for."""
    error = _error_in(content)
    if too_long := _too_long(status, error, content, max_tokens):
        return too_long
    if status in _NOT_UNDERSTOOD and (parameter := _parameter(error, content)):
        return ParameterError(parameter)
    if status in _KEY:
        return ApiError(f"The proxy refuses COPILOT_API_KEY ({status}).", may_have_cost=False)
    if status == HTTPStatus.PAYMENT_REQUIRED or _QUOTA in (error.code, error.type):
        return ApiError("The account at the proxy is out of credit.", may_have_cost=False)
    if status in _PASSING:
        return ApiError(
            f"The proxy is {'busy' if status == HTTPStatus.TOO_MANY_REQUESTS else 'failing'} ({status}).",
            is_passing=True,
            may_have_cost=status not in _COSTS_NOTHING,
            retry_after_s=_asked_wait_s(status, retry_after),
        )
    if status == HTTPStatus.NOT_FOUND:
        return ApiError(
            "The proxy knows no such address or model (404): see COPILOT_API_URL and DOCQA_PROXY_MODEL.",
            may_have_cost=False,
        )
    is_unclear = status in _NOT_UNDERSTOOD and not error.param
    return (NotUnderstoodError if is_unclear else ApiError)(
        f"The proxy refuses this question ({status}){_quoted(error)}.",
        may_have_cost=status not in _COSTS_NOTHING and status >= 500,
        is_replayable=False,
    )


def _asked_wait_s(status: int, retry_after: str | None) -> float | None:
    return retry_after_s(retry_after) if status in (429, 503, 529) else None


def _error_in(content: bytes) -> _Error:
    """What the response says, wherever it says it: `error`, a list of one, or the fields themselves."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error()
    body = body[0] if isinstance(body, list) and body else body
    if not isinstance(body, dict):
        return _Error()
    error = next((body[name] for name in _ERROR_FIELDS if body.get(name)), body)
    error = error[0] if isinstance(error, list) and error else error
    if not isinstance(error, dict):
        return _Error(message=error)
    words = next((error[name] for name in _WORDS_FIELDS if isinstance(error.get(name), str)), None)
    counts = {name: error[name] for name in ("n_prompt_tokens", "n_ctx") if type(error.get(name)) is int}
    return _Error(words, error.get("code"), error.get("type"), error.get("param"), **counts)


def _too_long(status: int, error: _Error, content: bytes, max_tokens: int) -> TooLongError | None:
    if error.n_prompt_tokens and error.n_ctx:  # llama-server
        return TooLongError(error.n_prompt_tokens, error.n_ctx)
    words = error.message if isinstance(error.message, str) else content.decode(errors="replace")
    codes = f"{error.code} {error.type}"
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (
        status in _NOT_UNDERSTOOD and (context_length.is_meant(words) or context_length.is_meant(codes))
    ):
        return TooLongError(
            *context_length.numbers_in(words, max_tokens), left_tokens=context_length.answer_limit(words)
        )
    return None


def _parameter(error: _Error, content: bytes) -> str | None:
    """The one that can be left out or called otherwise and that this model does not take."""
    named = error.param if error.code in _UNSUPPORTED else None
    text = content.decode(errors="replace")
    if found := _UNSUPPORTED_NAME.search(text):
        named = found[1]
    elif named is None and error.param is None and (mentioned := _MENTIONED.search(text)):
        named = re.sub("[ -]", "_", mentioned[0].lower())
    return named if isinstance(named, str) and named in REFUSABLE else None


def _quoted(error: _Error) -> str:
    return f": {_plain(error.message).rstrip('.')}" if isinstance(error.message, str) and error.message else ""


def _plain(text: str) -> str:
    """One line of it, short, without secrets; of what can't be sanitized nothing."""
    try:
        return " ".join(sanitize(text[:2000]).text.split())[:_MOST_QUOTED_CHARS]
    except DocQAError:
        return "-"
