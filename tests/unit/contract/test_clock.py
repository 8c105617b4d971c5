"""The bus's clock, measured from replies that carry its time."""

import time
from datetime import UTC, datetime

import pytest
from structlog.testing import CapturingLogger

from contract.bus.clock import BusClock
from contract.errors import BusUnavailableError

AHEAD_S = 300.0


class Server:
    """Answers with the true time, at once."""

    def __init__(self) -> None:
        self.true_s = time.time
        self.is_silent = False

    async def request(self, subject: str, body: bytes) -> bytes:
        assert (subject, body) == ("$JS.API.CONSUMER.INFO.DOCQA_JOBS.worker", b"")
        if self.is_silent:
            raise BusUnavailableError
        return b'{"ts":"%b"}' % datetime.fromtimestamp(self.true_s(), UTC).isoformat().encode()


@pytest.mark.parametrize("ahead_s", [AHEAD_S, -AHEAD_S, 0.0])
async def test_a_clock_that_is_off_tells_the_bus_s_time(ahead_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    server, true_s = Server(), time.time
    clock = BusClock(server.request)
    monkeypatch.setattr("contract.bus.clock.time.time", lambda: true_s() + ahead_s)
    await clock.measure()
    assert clock.skew_s == pytest.approx(ahead_s, abs=0.5)
    assert clock.now_s() == pytest.approx(true_s(), abs=0.5)
    assert clock.age_s(true_s() - 60) == pytest.approx(60, abs=0.5)
    assert clock.age_s(true_s() + 60) == 0


async def test_a_bus_that_does_not_answer_leaves_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    server, true_s = Server(), time.time
    clock = BusClock(server.request)
    monkeypatch.setattr("contract.bus.clock.time.time", lambda: true_s() + AHEAD_S)
    await clock.measure()
    server.is_silent = True
    await clock.measure()
    assert clock.skew_s == pytest.approx(AHEAD_S, abs=0.5)


async def test_a_clock_that_is_far_off_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, true_s, log = BusClock(Server().request), time.time, CapturingLogger()
    monkeypatch.setattr("contract.bus.clock.log", log)
    monkeypatch.setattr("contract.bus.clock.time.time", lambda: true_s() + AHEAD_S)
    for _ in range(3):
        await clock.measure()
    assert [call.kwargs["ahead_s"] for call in log.calls] == [pytest.approx(AHEAD_S, abs=0.5)]
