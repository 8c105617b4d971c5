"""Users behind one key: who is believed, and that no user becomes another client."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Request
from litestar.types import HTTPScope

from contract.token_file import Right, Token, TokensFile, digest_of
from contract.topology import is_name
from ingress.auth.authenticate import authenticator
from ingress.auth.caller import ANONYMOUS
from ingress.auth.keyring import Keyring
from ingress.auth.on_behalf import client_of
from ingress.settings import IngressSettings

OVER_TCP = ("127.0.0.1", 8000)
ON_THE_SOCKET = ("/run/docqa.sock", None)


def keyring(*rights: Right, header: str | None = "X-User") -> Keyring:
    token = Token(name="chat", sha256=digest_of(b"secret").hex(), rights=rights, created=datetime.now(UTC))
    # A file of tokens is named, so that not everybody is let in.
    settings = IngressSettings(user_header=header, tokens=__file__)  # type: ignore[arg-type]  # it is not read
    return Keyring(settings, TokensFile(tokens=(token,)))


def request_of(
    *users: bytes, server: tuple[str, int | None] = OVER_TCP, token: bytes = b"secret"
) -> Request[Any, Any, Any]:
    headers = [(b"authorization", b"Bearer " + token), *((b"x-user", user) for user in users)]
    scope: HTTPScope = {"type": "http", "headers": headers, "state": {}, "server": server}  # type: ignore[typeddict-item]  # all it looks at
    return Request(scope)


async def client_for(ring: Keyring, request: Request[Any, Any, Any]) -> str:
    assert await authenticator(ring, "query")(request) is None
    client: str = request.user.client
    return client


async def test_a_token_with_the_right_names_the_user() -> None:
    assert await client_for(keyring("query", "on-behalf"), request_of(b"alice")) == "user-alice"


async def test_without_the_right_the_header_is_passed_over() -> None:
    assert await client_for(keyring("query", "admin"), request_of(b"alice")) == "chat"


async def test_on_the_unix_socket_a_token_without_the_right_names_nobody() -> None:
    assert await client_for(keyring("query", "admin"), request_of(b"alice", server=ON_THE_SOCKET)) == "chat"
    with_the_right = keyring("query", "on-behalf")
    assert await client_for(with_the_right, request_of(b"alice", server=ON_THE_SOCKET)) == "user-alice"


async def test_on_the_unix_socket_no_name_stands_for_a_token() -> None:
    request = request_of(b"alice", server=ON_THE_SOCKET, token=b"another")
    response = await authenticator(keyring("query", "on-behalf"), "query")(request)
    assert response
    assert response.status_code == 401


async def test_the_name_is_kept_as_it_was_given() -> None:
    request = request_of("Ada Жukova".encode())
    await authenticator(keyring("query", "on-behalf"), "query")(request)
    assert request.user.user == "Ada Жukova"


@pytest.mark.parametrize(("server", "client"), [(OVER_TCP, ANONYMOUS), (ON_THE_SOCKET, "user-alice")])
async def test_where_no_token_is_needed_only_the_socket_is_believed(
    server: tuple[str, int | None], client: str
) -> None:
    ring = Keyring(IngressSettings(user_header="X-User"))
    assert await client_for(ring, request_of(b"alice", server=server)) == client


async def test_unless_a_header_is_set_none_names_a_user() -> None:
    assert await client_for(keyring("query", "on-behalf", header=None), request_of(b"alice")) == "chat"


async def test_a_request_that_names_nobody_is_the_tokens() -> None:
    assert await client_for(keyring("query", "on-behalf"), request_of()) == "chat"


@pytest.mark.parametrize("users", [(b"alice", b"bob"), (b"",), (b" ",), (b"\xff",), (b"a\x07b",), (b"a" * 257,)])
async def test_a_name_that_can_not_be_one_is_refused(users: tuple[bytes, ...]) -> None:
    response = await authenticator(keyring("query", "on-behalf"), "query")(request_of(*users))
    assert response
    assert (response.status_code, json.loads(response.content)["type"]) == (400, "bad-request")


async def test_a_user_has_none_of_the_tokens_other_rights() -> None:
    response = await authenticator(keyring("query", "admin", "on-behalf"), "admin")(request_of(b"alice"))
    assert response
    assert response.status_code == 403


@pytest.mark.parametrize(
    "user", ["local", "default", "chat", "../etc", "*", ">", "a.b", "Alice", "ada@example.com", "Ж"]
)
def test_no_user_is_a_tokens_client(user: str) -> None:
    assert client_of(user).startswith("user-")
    assert is_name(client_of(user))


def test_no_user_can_choose_the_name_that_another_one_was_given() -> None:
    hashed = client_of("Alice")
    assert client_of(hashed.removeprefix("user-")) != hashed


@given(st.text(min_size=1, max_size=256), st.text(min_size=1, max_size=256))
def test_two_users_are_two_clients(one: str, other: str) -> None:
    assert (client_of(one.strip()) == client_of(other.strip())) == (one.strip() == other.strip())


@given(st.text(min_size=1, max_size=256))
def test_every_user_is_a_client_that_the_bus_takes(user: str) -> None:
    assert is_name(client_of(user))
