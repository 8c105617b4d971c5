"""Tunes the worker's model while the worker is idle: in a process of low priority, ended when a question arrives.

Knows when the worker is idle and how far the tuning says it is; what is tried is the tool's own. What was measured
before a question came is kept, so that the next idle moment goes on from there.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import msgspec
import structlog

from contract.messages import Tuning

IDLE_FOR_S: Final = 10.0
"""Seconds without a question before the tuning begins or continues: questions come in groups."""
_LOOKS_EVERY_S: Final = 0.1
_LOGS_EVERY: Final = 0.1
"""Of the whole: a line in the log for each tenth."""
TakeOver: TypeAlias = Callable[[], Awaitable[bool]]
"""False where it has to be tried again at the next idle moment."""
TOOL: Final = (sys.executable, "-m", "inference_worker.tools.tune", "--background")

log = structlog.get_logger(__name__)


class IdleTuning:
    """One tuning, from the first idle moment to its end, however often it is interrupted."""

    def __init__(
        self,
        is_idle: Callable[[], bool],
        tool: tuple[str, ...] = TOOL,
        idle_for_s: float = IDLE_FOR_S,
        take_over: TakeOver | None = None,
    ) -> None:
        """`take_over` has the worker run what was chosen; without it the next start does."""
        self.state = Tuning(state="waiting")
        self._is_idle = is_idle
        self._tool = tool
        self._idle_for_s = idle_for_s
        self._take_over = take_over
        self._logged = -1.0

    async def run(self) -> None:
        """Returns once the choice is run or kept for the next start, or there is none."""
        while self.state.state in ("waiting", "running"):
            await self._until_idle()
            try:
                await self._tune_while_idle()
            except OSError as error:
                self._fail(f"It can't be started: {error.strerror}.")

        while self.state.state == "done" and self._take_over:
            await self._until_idle()
            if await self._take_over():
                self.state = msgspec.structs.replace(self.state, state="used")
                log.info("the model runs as it was tuned", form=self.state.form)

    async def _until_idle(self) -> None:
        idle_s = 0.0
        while idle_s < self._idle_for_s:
            await asyncio.sleep(_LOOKS_EVERY_S)
            idle_s = idle_s + _LOOKS_EVERY_S if self._is_idle() else 0.0

    async def _tune_while_idle(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._tool,
            str(os.getpid()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        following = asyncio.create_task(self._follow(process), name="follow the tuning")
        try:
            while not following.done() and self._is_idle():
                await asyncio.wait([following], timeout=_LOOKS_EVERY_S)
        finally:
            # First, so that killing the process is not taken for its own end.
            was_interrupted = following.cancel()
            # Its whole session at once: at its priority an orderly end would take long.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if was_interrupted:
            self.state = msgspec.structs.replace(self.state, state="waiting")
        else:
            following.result()

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout  # noqa: S101  # for the type checker: it is a pipe
        async for line in process.stdout:
            self._take(json.loads(line))
        if self.state.state in ("waiting", "running"):
            self._fail("The tuning ended without a choice.")

    def _take(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "trying":
                form, done = event["candidate"]["quantization"], event["done"]
                self.state = Tuning(state="running", done=done, form=form)
                if done >= self._logged + _LOGS_EVERY:
                    self._logged = done
                    log.info("tuning the model while idle", tries=form, done=f"{done:.0%}")
            case "chosen":
                form = event["choice"]["chosen"]["quantization"]
                self.state = Tuning(state="done", done=1.0, form=form)
                log.info("the model is tuned", form=form)
            case "failed":
                self._fail(event["sentence"])

    def _fail(self, reason: str) -> None:
        self.state = Tuning(state="failed")
        log.warning("the model can't be tuned; it runs as it is", reason=reason)
