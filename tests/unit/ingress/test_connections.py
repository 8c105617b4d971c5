"""What clients may do with a connection: close their sending side, offer upgrades, ask for heads only."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ingress.asgi import App, Message, Receive, Scope, Send
from ingress.middleware.head_as_get import HeadAsGet
from ingress.middleware.metrics import Counted
from tests.support.served import LIMIT_S, Served, served

BODY = b'{"query":"Who?"}'
POST = b"POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
WHOLE = POST + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n6\r\n" + BODY[:6] + b"\r\na\r\n" + BODY[6:] + b"\r\n0\r\n\r\n"
CLOSE = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Echo:
    """Answers with method, path and body, once it may; notes who hung up before."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.has_begun = asyncio.Event()
        self.is_hung_up = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.has_begun.set()
        waiting = asyncio.create_task(self.may_answer.wait())
        hang_up = asyncio.create_task(_disconnect(receive))
        await asyncio.wait({waiting, hang_up}, return_when=asyncio.FIRST_COMPLETED)
        for task in (waiting, hang_up):
            task.cancel()
        if not self.may_answer.is_set():
            return self.is_hung_up.set()
        content = f"{scope['method']} {scope['path']} ".encode() + body
        head: Message = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", str(len(content)).encode())],
        }
        await send(head)
        await send({"type": "http.response.body", "body": content})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def server(echo: Echo) -> AsyncIterator[Served]:
    app: App = HeadAsGet(Counted(echo, ("127.0.0.1", 1)))
    async with served(app) as running:
        yield running


both = pytest.mark.parametrize("over_tcp", [False, True], ids=["unix", "tcp"])


@both
@pytest.mark.parametrize("request_", [WHOLE, CHUNKED], ids=["whole", "chunked"])
async def test_a_client_that_closes_its_sending_side_is_answered(
    server: Served, over_tcp: bool, request_: bytes
) -> None:
    answer = await server.exchange(request_, over_tcp=over_tcp, is_half_closed=True)
    assert answer.startswith(b"HTTP/1.1 ")
    assert answer.endswith(b"POST /api/query " + BODY)


@both
async def test_a_client_that_closes_its_sending_side_is_answered_however_long_that_takes(
    server: Served, echo: Echo, over_tcp: bool
) -> None:
    echo.may_answer.clear()
    reader, writer = await server.streams(over_tcp=over_tcp)
    writer.write(WHOLE)
    writer.write_eof()
    for _ in range(2):
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT_S) == b"HTTP/1.1 100 Continue\r\n\r\n"
    echo.may_answer.set()
    answer = await asyncio.wait_for(reader.read(), LIMIT_S)
    assert answer.endswith(b"POST /api/query " + BODY)
    assert answer.count(b"HTTP/1.1 200 ") == 1
    writer.close()


@both
async def test_requests_sent_together_are_all_answered_before_a_half_closed_connection_ends(
    server: Served, over_tcp: bool
) -> None:
    answer = await server.exchange(
        WHOLE + WHOLE.replace(b"/api/query", b"/second"), over_tcp=over_tcp, is_half_closed=True
    )
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.endswith(b"POST /second " + BODY)


@both
async def test_a_client_that_has_gone_is_a_hang_up(server: Served, echo: Echo, over_tcp: bool) -> None:
    echo.may_answer.clear()
    _, writer = await server.streams(over_tcp=over_tcp)
    writer.write(WHOLE)
    await asyncio.wait_for(echo.has_begun.wait(), LIMIT_S)
    writer.close()
    await asyncio.wait_for(echo.is_hung_up.wait(), LIMIT_S)


@both
@pytest.mark.parametrize("part", [b"", b"POST /api/qu", WHOLE[:-3]], ids=["nothing", "half a head", "half a body"])
async def test_an_incomplete_request_ends_with_its_input(server: Served, over_tcp: bool, part: bytes) -> None:
    assert await server.exchange(part, over_tcp=over_tcp, is_half_closed=True) == b""


@pytest.mark.parametrize(
    "offer",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        b"Connection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n",
    ],
    ids=["h2c", "websocket", "a list"],
)
@pytest.mark.parametrize("request_", [WHOLE, CHUNKED], ids=["whole", "chunked"])
@pytest.mark.parametrize("is_split", [False, True], ids=["at once", "in pieces"])
async def test_an_upgrade_is_passed_over_and_the_body_is_read(
    server: Served, offer: bytes, request_: bytes, is_split: bool
) -> None:
    head, _, rest = request_.partition(b"\r\n")
    offered = head + b"\r\n" + offer + rest
    pieces = [offered[at : at + 7] for at in range(0, len(offered), 7)] if is_split else [offered]
    answer = await server.exchange(*pieces, CLOSE)
    assert b"POST /api/query " + BODY in answer
    assert answer.endswith(b"GET /last ")


async def test_an_upgrade_without_a_body_is_passed_over(server: Served) -> None:
    get = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    answer = await server.exchange(get + CLOSE)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert b"GET /health " in answer


async def test_head_is_answered_as_get_without_the_body(server: Served) -> None:
    answer = await server.exchange(b"HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: %d" % len("GET /health ") in answer
    assert answer.endswith(b"\r\n\r\n")
