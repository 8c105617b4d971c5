"""One call of an OpenAI-compatible API over HTTP: sent, read as it comes, closed when it is not wanted any more.

httpx and not the openai client: that brings retries, redirects and logs of its own where each is the budget's or the
sanitizer's business here, and two dozen modules for the one request that is needed.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx
import msgspec

from contract.errors import SettingsError
from contract.settings import Secret
from contract.tls import is_loopback
from inference_worker.proxy import error_responses
from inference_worker.proxy.errors import ApiError
from inference_worker.proxy.response_stream import Chunk, Limited, answer_in

_COMPLETIONS: Final = "/chat/completions"


class Target(msgspec.Struct, frozen=True):
    """The address of the API's chat completions; only `host` is ever shown."""

    url: str
    host: str
    is_tls: bool


def target_of(url: str | None, *, allow_http: bool) -> Target:
    """Raises SettingsError, with a sentence that does not show the address: it may hold a password."""
    if not url:
        raise SettingsError(
            "COPILOT_API_URL: the proxy is to answer and has no address: name an OpenAI-compatible API, "
            "as in https://api.example.com/v1."
        )
    parts = _parsed(url)
    is_tls = parts.scheme == "https"
    if not is_tls and not allow_http and not is_loopback(parts.hostname):
        raise SettingsError(
            f"COPILOT_API_URL: texts and the key would go to {parts.hostname} in the clear: write https://, or set "
            "DOCQA_PROXY_ALLOW_HTTP=true where the network in between is your own."
        )
    path = parts.path.rstrip("/")
    whole = path if path.endswith(_COMPLETIONS) else path + _COMPLETIONS
    return Target(urlunsplit((parts.scheme, parts.netloc, whole, parts.query, "")), str(parts.hostname), is_tls)


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise SettingsError("COPILOT_API_URL: expected https://HOST/PATH, as in https://api.example.com/v1.")
    if parts.username or parts.password:
        raise SettingsError("COPILOT_API_URL: it holds a password: put the key into COPILOT_API_KEY instead.")
    return parts


_CONNECT_S: Final = 5.0
_WRITE_S: Final = 30.0
_END_S: Final = 0.05
"""How long the end of a response may take after the answer's last event; then its connection is closed."""
_EVENTS: Final = "text/event-stream"
_MOST_ERROR_BYTES: Final = 64 * 1024


class Remote:
    """A pool of connections to one API. Certificates are checked against what this system trusts."""

    def __init__(self, target: Target, key: Secret | None, *, first_byte_s: float, idle_s: float) -> None:
        """`first_byte_s`: the longest wait for an answer to begin; `idle_s`: for its next part."""
        self.target = target
        self._first_byte_s = first_byte_s
        self._idle_s = idle_s
        self._http = httpx.AsyncClient(
            verify=ssl.create_default_context() if target.is_tls else False,
            # Our own limits end a wait; these are for what they don't cover.
            timeout=httpx.Timeout(None, connect=_CONNECT_S, write=_WRITE_S),
            limits=httpx.Limits(max_connections=None),
            follow_redirects=False,
            # HTTPS_PROXY sees encrypted bytes; HTTP_PROXY would see the text.
            trust_env=target.is_tls,
            headers=_headers(key),
        )

    async def ask(self, body: bytes, most_bytes: int, max_tokens: int) -> AsyncGenerator[Chunk, None]:
        """Send `body` and yield the answer's chunks. Closing the generator closes the connection.

        `max_tokens` is the longest answer that `body` asks for. Raises ApiError.
        """
        response = await self._send(body)
        try:
            await self._check(response, max_tokens)
            parts = self._parts(response, Limited(most_bytes))
            # Some answer at once, although asked to stream, and some call a stream plain text.
            says_stream = response.headers.get("content-type", "").lower().startswith(_EVENTS)
            async for chunk in answer_in(parts, is_stream=says_stream):
                yield chunk
            await _read_out(parts)
        finally:
            await response.aclose()

    async def close(self) -> None:
        await self._http.aclose()

    async def _send(self, body: bytes) -> httpx.Response:
        request = self._http.build_request("POST", self.target.url, content=body)
        try:
            async with asyncio.timeout(self._first_byte_s):
                return await self._http.send(request, stream=True)
        except TimeoutError:
            raise ApiError(
                f"The proxy did not begin to answer within {self._first_byte_s:g} s.", is_passing=True
            ) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _unreachable(error) from None
        except (httpx.HTTPError, OSError):
            raise ApiError("The connection to the proxy broke before it answered.", is_passing=True) from None

    async def _check(self, response: httpx.Response, max_tokens: int) -> None:
        """Raises ApiError for all but an answer that can be read."""
        if response.status_code == httpx.codes.OK:
            if response.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
                # A few bytes may unpack to any number.
                raise ApiError("The proxy's answer is compressed, which it was not asked for.")
            return
        if response.is_redirect:
            raise error_responses.redirect(urlsplit(response.headers.get("location", "")).hostname or self.target.host)
        content = b""
        with contextlib.suppress(ApiError):
            async for part in self._parts(response, Limited(_MOST_ERROR_BYTES)):
                content += part
        raise error_responses.refusal(response.status_code, response.headers.get("retry-after"), content, max_tokens)

    async def _parts(self, response: httpx.Response, limited: Limited) -> AsyncIterator[bytes]:
        parts = response.aiter_raw()
        # Some servers send headers before prefill, so the first chunk also gets the first-byte limit.
        within_s = self._first_byte_s
        while True:
            try:
                async with asyncio.timeout(within_s):
                    part = await anext(parts, None)
            except TimeoutError:
                raise ApiError(f"The proxy sent nothing for {within_s:g} s.", is_passing=True) from None
            except (httpx.HTTPError, httpx.StreamError, OSError):
                raise ApiError("The proxy's answer was cut off.", is_passing=True) from None
            if part is None:
                return
            yield limited.take(part)
            within_s = self._idle_s


async def _read_out(parts: AsyncIterator[bytes]) -> None:
    """Read what follows an answer's last event: only then the connection can be used for the next call."""
    with contextlib.suppress(ApiError, TimeoutError):
        async with asyncio.timeout(_END_S):
            async for _ in parts:
                pass


def _headers(key: Secret | None) -> dict[str, str]:
    headers = {
        "Accept": _EVENTS,
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "goblin-docqa",
    }
    return headers | ({"Authorization": f"Bearer {key.reveal()}"} if key else {})


def _unreachable(error: Any) -> ApiError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ApiError(
            "The proxy's certificate is not one that this system trusts for that name.", may_have_cost=False
        )
    return ApiError("The proxy can't be reached.", is_passing=True, may_have_cost=False)
