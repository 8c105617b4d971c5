"""What a page of another site makes a browser send is refused; what anybody else sends is not."""

import json
from typing import Any

import pytest

from ingress.middleware.same_site import SameSiteOnly

HERE = {"host": "127.0.0.1:8000"}
FORM = {"content-type": "multipart/form-data; boundary=x"}
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


async def told(headers: dict[str, str], method: str = "POST", path: str = "/api/documents") -> tuple[int, Any]:
    """The status and the body of an answer to a request with these headers."""
    messages: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def send(message: Any) -> None:
        messages.append(message)

    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": encoded}
    await SameSiteOnly(app)(scope, None, send)  # type: ignore[arg-type]  # nothing is received
    return messages[0]["status"], json.loads(messages[1]["body"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8000"},
        {"sec-fetch-site": "none"},
        {"origin": "http://127.0.0.1:8000"},
        # A proxy that changes or shortens the host: what the browser itself says counts.
        {"sec-fetch-site": "same-origin", "origin": "https://docqa.example.org:8443", "host": "docqa"},
        {"origin": "https://docqa.example.org:8443", "host": "docqa.example.org"},
        {"origin": "https://docqa.example.org", "host": "docqa.example.org:443"},
        {"origin": "http://[::1]:8000", "host": "[::1]:8000"},
        # Nobody's browser adds a token by itself.
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example", "authorization": "Bearer dq_x"},
    ],
)
async def test_programs_the_page_itself_and_bearers_of_tokens_pass(headers: dict[str, str]) -> None:
    assert (await told({**HERE, **FORM, **headers}))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8000"},
        {"sec-fetch-site": "anything"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://127.0.0.1:8000.evil.example"},
        {"origin": "http://evil.example:8000", "host": "127.0.0.1:8000"},
        {"origin": "http://[", "host": "["},
        {"origin": "http://127.0.0.1:x"},
        {"sec-fetch-site": "cross-site", "authorization": "Basic dXNlcjpwYXNz"},
        LINK,
    ],
)
@pytest.mark.parametrize("path", ["/api/documents", "/api/query", "/v1/chat/completions"])
async def test_what_comes_from_another_site_is_403(headers: dict[str, str], path: str) -> None:
    status, body = await told({**HERE, **FORM, **headers}, path=path)
    assert (status, body["status"], body["type"]) == (403, 403, "cross-site")
    assert "its own page" in body["detail"]


@pytest.mark.parametrize("path", ["/api/documents/0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3/original", "/v1/models"])
async def test_another_site_links_to_nothing_of_the_api(path: str) -> None:
    assert (await told({**HERE, **LINK}, "GET", path))[0] == 403


async def test_another_site_may_link_to_the_page_and_not_embed_or_post_to_it() -> None:
    assert (await told({**HERE, **LINK}, "GET", "/"))[0] == 200
    assert (await told({**HERE, **LINK, "sec-fetch-dest": "iframe"}, "GET", "/"))[0] == 403
    assert (await told({**HERE, **LINK}, "POST", "/"))[0] == 403
