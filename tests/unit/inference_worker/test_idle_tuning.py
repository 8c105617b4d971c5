"""The tuning beside a worker: started while it is idle, ended when a question comes."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from inference_worker.tuning.idle import IdleTuning

TRYING = '{"event": "trying", "candidate": {"quantization": "q8_0"}, "done": 0.25}'
CHOSEN = '{"event": "chosen", "choice": {"chosen": {"quantization": "q8_0"}}}'
FAILED = '{"event": "failed", "sentence": "No memory."}'


def tool(tmp_path: Path, program: str) -> tuple[str, ...]:
    path = tmp_path / "tool.py"
    path.write_text(program, encoding="utf-8")
    return (sys.executable, "-u", str(path))


def says(*lines: str) -> str:
    return "\n".join(f"print({line!r})" for line in lines)


HANGS_ONCE = f"""
import os, pathlib, sys, time
mark = pathlib.Path(sys.argv[0]).with_name("began")
is_second = mark.exists()
mark.write_text(str(os.getpid()))
print({TRYING!r})
print({CHOSEN!r}) if is_second else time.sleep(600)
"""


async def test_it_is_followed_to_its_choice(tmp_path: Path) -> None:
    tuning = IdleTuning(lambda: True, tool(tmp_path, says(TRYING, CHOSEN)), idle_for_s=0)
    await tuning.run()
    assert (tuning.state.state, tuning.state.form, tuning.state.done) == ("done", "q8_0", 1.0)


async def test_a_question_ends_it_and_the_next_idle_moment_begins_it_again(tmp_path: Path) -> None:
    asked = asyncio.Event()
    tuning = IdleTuning(lambda: not asked.is_set(), tool(tmp_path, HANGS_ONCE), idle_for_s=0)
    running = asyncio.create_task(tuning.run())
    while tuning.state.state != "running":
        await asyncio.sleep(0.01)
    asked.set()
    while tuning.state.state != "waiting":
        await asyncio.sleep(0.01)
    assert tuning.state.done == 0.25
    asked.clear()
    await running
    assert tuning.state.state == "done"


@pytest.mark.parametrize("program", [says(TRYING, FAILED), says(TRYING), "raise SystemExit(1)"])
async def test_without_a_choice_it_is_not_tried_again(tmp_path: Path, program: str) -> None:
    tuning = IdleTuning(lambda: True, tool(tmp_path, program), idle_for_s=0)
    await tuning.run()
    assert tuning.state.state == "failed"


async def test_the_worker_s_end_ends_it(tmp_path: Path) -> None:
    tuning = IdleTuning(lambda: True, tool(tmp_path, HANGS_ONCE), idle_for_s=0)
    running = asyncio.create_task(tuning.run())
    while tuning.state.state != "running":
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "began").read_text()), 0)


async def test_a_process_that_can_not_be_started_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    tuning = IdleTuning(lambda: True, (str(tmp_path / "nowhere"),), idle_for_s=0)
    await tuning.run()
    assert tuning.state.state == "failed"


async def test_what_was_chosen_is_run_at_an_idle_moment_however_often_that_has_to_be_tried(tmp_path: Path) -> None:
    tries = iter([False, True])

    async def take_over() -> bool:
        return next(tries)

    tuning = IdleTuning(lambda: True, tool(tmp_path, says(TRYING, CHOSEN)), idle_for_s=0, take_over=take_over)
    await tuning.run()
    assert (tuning.state.state, tuning.state.form) == ("used", "q8_0")
    assert not list(tries)
