"""Children: tethered, logged, locked, and ended when they must."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from contract.errors import AlreadyRunningError
from contract.runtime.lock import FileLock
from ops.supervisor import parent_death
from ops.supervisor import process as child_module
from ops.supervisor.process import Child, Program, spawn, trim_log

Start = Callable[[str], "asyncio.Future[Child]"]
_STUBBORN = "trap '' TERM; echo deaf; while :; do sleep 0.05; done"


@pytest.fixture
async def children() -> AsyncIterator[list[Child]]:
    """Whatever is put in here is gone after the test."""
    started: list[Child] = []
    yield started
    for child in started:
        if child.returncode is None:
            await child.stop(grace_s=0)


def program(folder: Path, script: str) -> Program:
    return Program("part", ["/bin/sh", "-c", script], os.environ, folder)


def until(holds: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_what_it_said_last_is_known(tmp_path: Path, children: list[Child]) -> None:
    children += [child := await spawn(program(tmp_path, "echo first; echo 'last words' >&2; echo; exit 3"))]
    assert await child.wait() == 3
    assert child.last_log_line() == "last words"


async def test_the_words_of_a_former_run_are_not_its_own(tmp_path: Path, children: list[Child]) -> None:
    children += [first := await spawn(program(tmp_path, "echo old"))]
    await first.wait()
    children += [second := await spawn(program(tmp_path, "kill -9 $$"))]
    await second.wait()
    assert second.last_log_line() == "ended by SIGKILL"


async def test_what_does_not_end_in_time_is_killed(tmp_path: Path, children: list[Child]) -> None:
    children += [child := await spawn(program(tmp_path, _STUBBORN))]
    until(lambda: child.last_log_line() == "deaf")
    await child.stop(grace_s=0.2)
    assert child.returncode == -signal.SIGKILL


async def test_a_terminals_ctrl_c_does_not_reach_it(tmp_path: Path, children: list[Child]) -> None:
    children += [child := await spawn(program(tmp_path, "sleep 60"))]
    assert os.getsid(child.pid) == child.pid


async def test_a_former_one_that_still_runs_is_ended_before_the_next_starts(
    tmp_path: Path, children: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill -9 of `docqa`: two servers must not share a store."""
    patience = ((0.1, signal.SIGTERM), (0.2, signal.SIGKILL), (5.0, None))
    monkeypatch.setattr(child_module, "_FORMER_ENDS_WITHIN_S", patience)
    children += [former := await spawn(program(tmp_path, _STUBBORN))]
    until(lambda: former.last_log_line() == "deaf")
    children += [await spawn(program(tmp_path, "sleep 60"))]
    assert await former.wait() == -signal.SIGKILL


async def test_its_lock_is_free_when_it_has_ended(tmp_path: Path, children: list[Child]) -> None:
    children += [child := await spawn(program(tmp_path, "read wait_for_ever </dev/zero"))]
    lock = FileLock(child.program.lock_path)
    with pytest.raises(AlreadyRunningError):
        lock.acquire()
    assert lock.holder() == child.pid
    await child.stop(grace_s=5)
    lock.acquire()
    lock.release()


def test_a_log_that_has_grown_large_is_cut_and_one_piece_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "_LARGEST_LOG_BYTES", 10)
    log = tmp_path / "part.log"
    with log.open("ab") as writer:
        writer.write(b"more than ten bytes\n")
        writer.flush()
        trim_log(log)
        writer.write(b"next\n")
    assert log.read_bytes() == b"next\n"
    assert (tmp_path / "part.log.1").read_bytes() == b"more than ten bytes\n"


def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, subprocess, sys, time\n"
        f"command = [sys.executable, '-I', '-S', {parent_death.__file__!r}, str(os.getpid()), '/bin/sleep', '60']\n"
        "print(subprocess.Popen(command).pid, flush=True)\n"
        "time.sleep(60)\n",
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        until(lambda: child.name() == "sleep")
        parent.kill()
    until(lambda: has_ended(child))


def test_a_child_whose_parent_is_gone_already_does_not_begin(tmp_path: Path) -> None:
    """The kernel sends its signal only for a parent that dies later."""
    mark = tmp_path / "began"
    somebody_else = "1"
    command = [sys.executable, "-I", "-S", parent_death.__file__, somebody_else, "/bin/sh", "-c", f"touch {mark}"]
    assert subprocess.run(command, check=False).returncode == 0
    assert not mark.exists()


def has_ended(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


async def test_a_child_that_can_not_be_named_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, children: list[Child]
) -> None:
    """On a full disk: a process whose id is not recorded could not be ended later, and would hold the lock."""

    def full(lock: FileLock, pid: int) -> None:
        if pid != os.getpid():
            raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(FileLock, "name", full)
        with pytest.raises(OSError, match="No space"):
            await spawn(program(tmp_path, "exec sleep 60"))
    monkeypatch.setattr(child_module, "_FORMER_ENDS_WITHIN_S", ((0.0, None),))
    children += [child := await spawn(program(tmp_path, "exec sleep 60"))]
    assert child.returncode is None
