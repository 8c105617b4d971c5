"""The worker's end comes, whatever its loops make of a cancellation."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

import inference_worker.__main__ as program
from inference_worker.answering.grounded import Grounded, Grounding
from inference_worker.answering.texts import Texts
from inference_worker.engines.echo import EchoEngine
from inference_worker.jobs.erasures import Erasures


class Loop:
    """Runs for ever; passes over so many cancellations, as nats-py does while it flushes."""

    def __init__(self, passes_over: int = 0, failure: Exception | None = None) -> None:
        self.passed_over = 0
        self.has_ended = False
        self._passes_over = passes_over
        self._failure = failure
        self.engine = SimpleNamespace(model_name="echo", slots=1)
        self.others = SimpleNamespace(on_message=self.answer_roll_call)

    async def run(self) -> None:
        try:
            if self._failure:
                raise self._failure
            while self.passed_over < self._passes_over:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(60)
                self.passed_over += 1
            await asyncio.sleep(60)
        finally:
            self.has_ended = True

    async def forget_pulls(self) -> None: ...

    async def balance(self) -> None:
        await asyncio.Event().wait()

    async def answer_roll_call(self, _: Any) -> None: ...


class Clock:
    async def measure(self) -> None: ...

    async def keep_measuring(self) -> None:
        await asyncio.Event().wait()


class Bus:
    clock = Clock()

    async def connect(self, *_: Any, **__: Any) -> None: ...

    async def subscribe(self, *_: Any) -> None: ...

    async def watch(self) -> None:
        await asyncio.Event().wait()


class Quiet:
    """In place of loops that this file is not about."""

    def __init__(self, *_: Any) -> None: ...

    async def run(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _no_results_to_remove(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "ReadResults", Quiet)


def serving(pulling: Loop, announcing: Loop, is_ready: asyncio.Event) -> "asyncio.Task[None]":
    bus: Any = Bus()
    worker: Any = SimpleNamespace(consumer=pulling, sweeper=Quiet(), on_cancel=None)
    heartbeat: Any = announcing
    erasures = Erasures(bus, Grounded(EchoEngine(1), Texts(lambda: None), Grounding()), "w")
    settings: Any = None
    return asyncio.create_task(program.serve_jobs(bus, worker, heartbeat, erasures, settings, lambda _: is_ready.set()))


@pytest.mark.parametrize("stubborn", ["pulling", "announcing"])
async def test_a_loop_that_passes_over_its_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch, stubborn: str
) -> None:
    monkeypatch.setattr(program, "_LOOPS_END_WITHIN_S", 0.02)
    loops = {name: Loop(2 if name == stubborn else 0) for name in ("pulling", "announcing")}
    is_ready = asyncio.Event()
    task = serving(loops["pulling"], loops["announcing"], is_ready)
    await is_ready.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait_for(asyncio.wait({task}), 10)
    assert task.cancelled()
    assert all(loop.has_ended for loop in loops.values())
    assert loops[stubborn].passed_over == 2


async def test_a_loop_that_dies_ends_the_other_and_says_why() -> None:
    announcing = Loop()
    task = serving(Loop(failure=ValueError("broken")), announcing, asyncio.Event())
    with pytest.raises(ValueError, match="broken"):
        await asyncio.wait_for(task, 10)
    assert announcing.has_ended
