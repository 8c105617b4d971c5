"""The end of a wait: by a result, by the client's hang-up, by what goes wrong."""

import asyncio
from typing import Any

import pytest

from ingress.jobs.waiting import HungUpError, unless_hung_up


class Connection:
    """A client as ASGI sees it; `hang_up` ends it."""

    def __init__(self) -> None:
        self.is_heard = False
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def receive(self) -> dict[str, Any]:
        try:
            return await self._messages.get()
        finally:
            self.is_heard = True

    def send(self, kind: str) -> None:
        self._messages.put_nowait({"type": kind})


async def test_a_result_comes_before_the_hang_up() -> None:
    connection = Connection()
    assert await unless_hung_up(connection.receive, asyncio.sleep(0, "result")) == "result"
    await asyncio.sleep(0)
    assert connection.is_heard, "the wait for a hang-up was not given up"


async def test_a_hang_up_ends_the_wait() -> None:
    connection = Connection()
    waiting = asyncio.ensure_future(asyncio.Event().wait())
    connection.send("http.request")
    connection.send("http.disconnect")
    with pytest.raises(HungUpError):
        await unless_hung_up(connection.receive, waiting)
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_a_result_that_is_there_at_the_moment_of_the_hang_up_counts() -> None:
    connection = Connection()
    connection.send("http.disconnect")
    done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    done.set_result("result")
    assert await unless_hung_up(connection.receive, done) == "result"


async def test_what_goes_wrong_while_waiting_is_told() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await unless_hung_up(Connection().receive, fail())
