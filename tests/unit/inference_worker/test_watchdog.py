"""The watchdog: when it ends the process, when it lets it be, and what is shown before."""

import asyncio
import math
import os
import time
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from contract.errors import EngineBlockedError
from contract.runtime.systemd import Notifier
from inference_worker.engines.echo import EchoEngine
from inference_worker.monitoring import watchdog as watchdog_module
from inference_worker.monitoring.watchdog import STALLED_STATUS, Watchdog

LIMIT_S = 30.0


class EndedError(BaseException):
    """The process would have ended with this status."""


class Signs(Notifier):
    """Counts the signs of life."""

    def __init__(self, watchdog_s: float = math.inf) -> None:
        super().__init__(watchdog_s=watchdog_s)
        self.seen = 0

    def alive(self) -> None:
        self.seen += 1


class Bench:
    """A watchdog, an engine whose stall the test sets, and a clock that the test moves."""

    def __init__(self, limit_s: float = LIMIT_S, watchdog_s: float = math.inf) -> None:
        self.engine = EchoEngine(slots=2)
        self.signs = Signs(watchdog_s)
        self.watchdog = Watchdog(self.engine, lambda: ["docqa.jobs.http.a.1"], limit_s, self.signs)
        self.now_s = time.monotonic()

    def pass_time(self, seconds: int, *, stalled: bool) -> None:
        """Look once a second."""
        for _ in range(seconds):
            self.now_s += 1
            self.engine.stalled_s = self.engine.stalled_s + 1 if stalled else 0.0
            self.watchdog.check(self.now_s)

    def stop_the_process(self, seconds: float, *, stalled: bool) -> None:
        """Nothing looks, and the clock goes on."""
        self.now_s += seconds
        self.engine.stalled_s += seconds if stalled else 0.0

    @property
    def not_ready_reason(self) -> str | None:
        return self.watchdog.not_ready_reason(self.now_s)


@pytest.fixture(autouse=True)
def ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(status: int) -> None:
        raise EndedError(status)

    monkeypatch.setattr(os, "_exit", end)


def test_an_engine_that_completes_steps_or_has_no_work_is_let_be() -> None:
    bench = Bench()
    bench.pass_time(1000, stalled=False)
    assert bench.signs.seen == 1000
    assert bench.not_ready_reason is None


def test_a_step_that_does_not_end_within_the_limit_ends_the_process_with_a_status_of_its_own() -> None:
    bench = Bench()
    bench.pass_time(60, stalled=False)
    with pytest.raises(EndedError) as ended:
        bench.pass_time(31, stalled=True)
    assert ended.value.args == (STALLED_STATUS,)
    assert LIMIT_S - 2 < bench.engine.stalled_s <= LIMIT_S
    assert bench.signs.seen == 60 + bench.engine.stalled_s - 1


def test_the_log_has_one_line_with_what_was_running() -> None:
    bench = Bench()
    with capture_logs() as lines, pytest.raises(EndedError):
        bench.pass_time(31, stalled=True)
    [line] = lines
    assert line["log_level"] == "error"
    assert line["running"] == ["docqa.jobs.http.a.1"]
    assert LIMIT_S - 2 < line["stalled_s"] <= LIMIT_S


def test_a_long_step_that_ends_after_all_is_let_be() -> None:
    bench = Bench()
    for _ in range(3):
        bench.pass_time(28, stalled=True)
        bench.pass_time(1, stalled=False)
    assert bench.not_ready_reason is None


def test_a_process_that_was_stopped_as_a_whole_is_given_the_time_to_go_on() -> None:
    """SIGSTOP, a frozen container: the clock went on, the engine could not."""
    bench = Bench()
    bench.pass_time(5, stalled=True)
    bench.stop_the_process(3600, stalled=True)
    bench.pass_time(28, stalled=True)
    with pytest.raises(EndedError):
        bench.pass_time(3, stalled=True)


def test_a_stall_shows_before_the_process_ends() -> None:
    bench = Bench()
    bench.pass_time(15, stalled=True)
    assert bench.not_ready_reason is None
    bench.pass_time(1, stalled=True)
    assert bench.not_ready_reason == "The model has completed no step for 16 s."


def test_a_loop_that_stands_still_shows() -> None:
    bench = Bench()
    bench.pass_time(5, stalled=False)
    bench.stop_the_process(16, stalled=False)
    assert bench.not_ready_reason == "The worker's event loop has been blocked for 16 s."


@pytest.mark.parametrize(("limit_s", "watchdog_s"), [(0.5, math.inf), (LIMIT_S, 0.2)])
async def test_it_looks_often_enough_for_a_short_limit_and_for_the_service_manager(
    limit_s: float, watchdog_s: float
) -> None:
    bench = Bench(limit_s, watchdog_s)
    looking = asyncio.create_task(bench.watchdog.run())
    await until(lambda: bench.signs.seen >= 4, within_s=0.9 * watchdog_module._PERIOD_S)
    looking.cancel()


async def test_it_ends_the_process_in_real_time() -> None:
    bench = Bench(limit_s=0.5)
    looking = asyncio.create_task(bench.watchdog.run())
    await asyncio.sleep(0)
    bench.engine.stalled_s = 0.49
    with pytest.raises(EndedError):
        await asyncio.wait_for(looking, 20)


async def until(holds: Callable[[], bool], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.005)


async def test_an_engine_that_is_blocked_ends_the_watch() -> None:
    bench = Bench()
    bench.engine.blocker = "The model's file was written to while it runs."
    with pytest.raises(EngineBlockedError, match="was written to"):
        await bench.watchdog.run()
