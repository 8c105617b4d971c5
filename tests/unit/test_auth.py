"""Who may ask, by the request's own headers."""

from typing import Any

import pytest
from litestar import Request
from litestar.types import HTTPScope

from contract.settings import Secret
from ingress.auth import ANONYMOUS, NAMED, Authenticator
from ingress.problems import Problem

TOKEN = "t\u00f6ken-0123456789"
GUARD = Authenticator(Secret(TOKEN))


def request_with(*authorization: bytes) -> Request[Any, Any, Any]:
    headers = [(b"authorization", value) for value in authorization]
    scope: HTTPScope = {"type": "http", "headers": headers, "state": {}}  # type: ignore[typeddict-item]  # all it looks at
    return Request(scope)


async def test_without_a_token_in_the_settings_everybody_is_one_client() -> None:
    request = request_with(b"Bearer whatever")
    await Authenticator(None)(request)
    assert request.state["client"] == ANONYMOUS


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER   "])
async def test_the_right_token_names_the_client(scheme: bytes) -> None:
    request = request_with(scheme + TOKEN.encode())
    await GUARD(request)
    assert request.state["client"] == NAMED


async def test_without_a_header_the_answer_is_401_and_says_what_to_send() -> None:
    with pytest.raises(Problem) as refused:
        await GUARD(request_with())
    assert refused.value.status == 401
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer realm="docqa"'}
    assert "Authorization: Bearer <token>" in str(refused.value)


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
        b"Bearer \xff\xfe\x80\x00",
        b"\xe9\xe8",
    ],
)
async def test_anything_else_is_401_and_called_invalid(header: bytes) -> None:
    request = request_with(header)
    with pytest.raises(Problem) as refused:
        await GUARD(request)
    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"].endswith('error="invalid_token"')
    assert "client" not in request.state


async def test_of_two_headers_neither_opens_the_door_by_being_second() -> None:
    with pytest.raises(Problem):
        await GUARD(request_with(b"Bearer wrong", b"Bearer nothing"))
