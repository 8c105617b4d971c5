"""A process of its own for what is computed over texts, below questions in priority; it ends with the library."""

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from contract.settings import RedactionSettings
from library.imports.prepare import Rules, Source, prepare, rules_of
from library.store.records import Prepared

NICENESS: Final = 10
"""Beside one busy thread of the usual priority on its core, this still gets about a tenth of it."""
_PR_SET_PDEATHSIG: Final = 1

_rules: Rules | None = None


PREPARED_WITHIN_S: Final = 1800.0
"""A text of the largest size takes minutes. One that takes longer, as over an own rule that backtracks, would keep all
others waiting."""


class PreparationCrashedError(Exception):
    """The process that prepares texts ended over one of them, or had to be ended."""


class Preparation:
    """Prepares one text at a time."""

    def __init__(self, settings: RedactionSettings, within_s: float = PREPARED_WITHIN_S) -> None:
        self._within_s = within_s
        self._one_at_a_time = asyncio.Lock()
        self._settings = RedactionSettings(redact=settings.redact, redaction_rules=settings.redaction_rules)
        self._executor: ProcessPoolExecutor | None = None

    async def prepare(self, source: Source) -> Prepared:
        """Raises PreparationCrashedError; the next text gets a new process."""
        async with self._one_at_a_time:
            executor = self._executor = self._executor or self._started()
            running = asyncio.get_running_loop().run_in_executor(executor, _prepare, source)
            try:
                return await asyncio.wait_for(running, self._within_s)
            except BrokenProcessPool:
                self._drop(executor)
                raise PreparationCrashedError("Preparing its text ended the process.") from None
            except TimeoutError:
                self.close()
                minutes = round(self._within_s / 60)
                raise PreparationCrashedError(f"Preparing its text took more than {minutes} minutes.") from None

    def close(self) -> None:
        """End the process at once."""
        if executor := self._executor:
            for process in list((executor._processes or {}).values()):
                process.kill()
            self._drop(executor)

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self._settings.redact, self._settings.redaction_rules, os.getpid()),
        )

    def _drop(self, executor: ProcessPoolExecutor) -> None:
        if self._executor is executor:
            self._executor = None
        with contextlib.suppress(OSError):
            executor.shutdown(wait=False, cancel_futures=True)


def _begin(redact: str | None, own_rules: object, parent: int) -> None:
    global _rules
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    os.nice(NICENESS)
    _rules = rules_of(RedactionSettings(redact=redact, redaction_rules=own_rules))  # type: ignore[arg-type]  # a path


def _prepare(source: Source) -> Prepared:
    if _rules is None:
        raise RuntimeError("the process was not begun")
    return prepare(source, _rules)
