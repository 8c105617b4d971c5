"""Who may ask, by the request's own headers."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from litestar import Request, Response
from litestar.types import HTTPScope

from contract.rate import Rate
from contract.settings import Secret
from contract.token_file import Right, Token, TokensFile, digest_of
from ingress.auth.authenticate import authenticator
from ingress.auth.caller import ANONYMOUS, NAMED
from ingress.auth.keyring import Keyring
from ingress.auth.rate_limiter import Limiter
from ingress.settings import IngressSettings

TOKEN = "t\u00f6ken-0123456789"
GUARD = authenticator(Keyring(IngressSettings(token=Secret(TOKEN))), "query")


def request_with(*authorization: bytes) -> Request[Any, Any, Any]:
    headers = [(b"authorization", value) for value in authorization]
    scope: HTTPScope = {"type": "http", "headers": headers, "state": {}}  # type: ignore[typeddict-item]  # all it looks at
    return Request(scope)


def refusal(response: Response[bytes] | None, status: int, kind: str) -> dict[str, Any]:
    assert response
    body: dict[str, Any] = json.loads(response.content)
    assert (response.status_code, body["type"]) == (status, kind)
    return body


async def test_without_a_token_in_the_settings_everybody_is_one_client() -> None:
    request = request_with(b"Bearer whatever")
    assert await authenticator(Keyring(IngressSettings()), "query")(request) is None
    assert request.user.client == ANONYMOUS


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER   "])
async def test_the_right_token_names_the_client(scheme: bytes) -> None:
    request = request_with(scheme + TOKEN.encode())
    assert await GUARD(request) is None
    assert request.user.client == NAMED


async def test_without_a_header_the_answer_is_401_and_says_what_to_send() -> None:
    response = await GUARD(request_with())
    body = refusal(response, 401, "unauthorized")
    assert response
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="docqa"'
    assert "Authorization: Bearer <token>" in body["detail"]


@pytest.mark.parametrize(
    "header",
    [
        b"Bearer wrong",
        b"Bearer",
        b"Bearer ",
        b"Basic " + TOKEN.encode(),
        TOKEN.encode(),
        b"Bearer " + TOKEN.encode() + b"x",
        b"Bearer " + TOKEN.encode()[:-1],
        b"Bearer " + TOKEN.encode("latin-1"),
        b"Bearer " + digest_of(TOKEN.encode()),
        b"Bearer " + digest_of(TOKEN.encode()).hex().encode(),
        b"Bearer \xff\xfe\x80\x00",
        b"\xe9\xe8",
    ],
)
async def test_anything_else_is_401_and_called_invalid(header: bytes) -> None:
    request = request_with(header)
    response = await GUARD(request)
    refusal(response, 401, "unauthorized")
    assert response
    assert response.headers["WWW-Authenticate"].endswith('error="invalid_token"')
    assert "user" not in request.scope


async def test_of_two_headers_neither_opens_the_door_by_being_second() -> None:
    refusal(await GUARD(request_with(b"Bearer wrong", b"Bearer " + TOKEN.encode())), 401, "unauthorized")


@pytest.mark.parametrize(("needed", "had"), [("query", "admin"), ("admin", "query")])
async def test_a_token_without_the_right_is_403(needed: Right, had: Right) -> None:
    token = Token(name="alice", sha256=digest_of(b"a").hex(), rights=(had,), created=datetime.now(UTC))
    keyring = Keyring(IngressSettings(tokens=__file__), TokensFile(tokens=(token,)))  # type: ignore[arg-type]  # any path
    body = refusal(await authenticator(keyring, needed)(request_with(b"Bearer a")), 403, "forbidden")
    assert f"`{needed}`" in body["detail"]
    assert await authenticator(keyring, had)(request_with(b"Bearer a")) is None


async def test_what_is_over_the_rate_is_429_and_every_answer_will_carry_the_rate() -> None:
    guard = authenticator(Keyring(IngressSettings(rate_limit=Rate("2/hour"))), "query", Limiter())
    requests = [request_with() for _ in range(3)]
    answers = [await guard(request) for request in requests]
    assert answers[:2] == [None, None]
    body = refusal(answers[2], 429, "rate-limited")
    assert answers[2]
    assert (body["limit"], body["window_s"]) == (2, 3600)
    assert 3590 <= int(answers[2].headers["Retry-After"]) <= 3600
    remaining = [dict(request.scope["docqa.headers"])[b"ratelimit"].split(b";")[1] for request in requests]  # type: ignore[typeddict-item]  # our own
    assert remaining == [b"r=1", b"r=0", b"r=0"]


async def test_a_guard_that_litestar_copies_hears_of_changes() -> None:
    """It makes a deep copy of what is registered."""
    keyring = Keyring(IngressSettings(tokens=__file__))  # type: ignore[arg-type]  # any path
    guard = copy.deepcopy(authenticator(keyring, "query"))
    keyring.replace(TokensFile(tokens=(Token(name="a", sha256=digest_of(b"a").hex(), created=datetime.now(UTC)),)))
    assert await guard(request_with(b"Bearer a")) is None
