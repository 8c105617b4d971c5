"""Keeping parts alive: when to start again, when to give up."""

import asyncio
import errno
import json
import os
import time
from pathlib import Path

import pytest

from ops.console import Console
from ops.supervisor import supervisor as supervisor_module
from ops.supervisor.process import Child, Program, ended_on_error, spawn
from ops.supervisor.supervisor import StartError, Supervisor, until_written, watch


class Scripted:
    """A part whose starts run the given shell scripts, one after another; the last one over and over."""

    name = "part"

    def __init__(self, folder: Path, *scripts: str) -> None:
        self.folder = folder
        self.scripts = list(scripts)
        self.launched: list[float] = []

    async def launch(self) -> Child:
        self.launched.append(time.monotonic())
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        ready_file = self.folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        command = ["/bin/sh", "-c", f"READY={ready_file}; {script}"]
        child = await spawn(Program(self.name, command, os.environ, self.folder))
        async with ended_on_error(child, grace_s=5):
            await until_written(ready_file, child, within_s=10)
        return child

    async def ended(self, child: Child) -> str:
        return await child.ended()


_LIVES = "echo 1 > $READY; exec sleep 60"
_DIES_LATER = "echo 1 > $READY; sleep 0.3; exit 1"
_BAD_SETTINGS = "echo 'docqa part: SLOTS is wrong.' >&2; exit 2"
_CRASHES = "echo oops; exit 1"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(supervisor_module, "_LONGEST_PAUSE_S", 0.2)


async def test_what_dies_is_started_again_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    restarted = asyncio.Event()
    supervisor = Supervisor(Scripted(tmp_path, _DIES_LATER, _LIVES), Console(), restarted.set)
    await supervisor.start()
    first = supervisor.pid
    await asyncio.wait_for(restarted.wait(), 10)
    assert supervisor.pid != first
    await supervisor.stop(5)
    assert "part ended with status 1; restarting it." in capsys.readouterr().err


async def test_a_part_that_refuses_its_settings_is_not_started_again(tmp_path: Path) -> None:
    part = Scripted(tmp_path, _BAD_SETTINGS)
    with pytest.raises(StartError, match=r"^part: SLOTS is wrong\.$"):
        await Supervisor(part, Console()).start()
    assert len(part.launched) == 1


async def test_a_part_that_never_comes_up_is_given_up_after_three_starts(tmp_path: Path) -> None:
    part = Scripted(tmp_path, _CRASHES)
    with pytest.raises(StartError, match="part: oops"):
        await Supervisor(part, Console()).start()
    assert len(part.launched) == 3


async def test_once_it_ran_even_refused_settings_do_not_end_the_tries(tmp_path: Path) -> None:
    """Its port may be taken for a moment, and clients still wait for promised answers."""
    restarted = asyncio.Event()
    part = Scripted(tmp_path, _DIES_LATER, _BAD_SETTINGS, _BAD_SETTINGS, _LIVES)
    supervisor = Supervisor(part, Console(quiet=True), restarted.set)
    await supervisor.start()
    await asyncio.wait_for(restarted.wait(), 10)
    await supervisor.stop(5)
    assert len(part.launched) == 4


async def test_the_pauses_grow_and_end_growing(tmp_path: Path) -> None:
    part = Scripted(tmp_path, _DIES_LATER, *[_CRASHES] * 4, _LIVES)
    restarted = asyncio.Event()
    supervisor = Supervisor(part, Console(quiet=True), restarted.set)
    await supervisor.start()
    await asyncio.wait_for(restarted.wait(), 10)
    await supervisor.stop(5)
    gaps = [later - sooner for sooner, later in zip(part.launched[1:], part.launched[2:], strict=False)]
    assert gaps[0] >= 0.1
    assert all(gap >= 0.2 for gap in gaps[1:])


async def test_what_keeps_it_from_starting_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = Scripted(tmp_path, _DIES_LATER, *[_CRASHES] * 3, _LIVES)
    restarted = asyncio.Event()
    supervisor = Supervisor(part, Console(), restarted.set)
    await supervisor.start()
    await asyncio.wait_for(restarted.wait(), 10)
    await supervisor.stop(5)
    assert capsys.readouterr().err.count("part: oops") == 1


async def test_stopping_ends_a_part_that_is_just_being_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor(Scripted(tmp_path, _DIES_LATER, _CRASHES), Console(quiet=True))
    await supervisor.start()
    await asyncio.sleep(0.6)
    await asyncio.wait_for(supervisor.stop(5), 5)
    assert supervisor.task.cancelled()


async def test_what_ends_a_keeping_is_raised_to_who_watches(tmp_path: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    supervisor = Supervisor(Scripted(tmp_path, _DIES_LATER, _LIVES), Console(quiet=True), fail)
    await supervisor.start()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(watch(supervisor), 10)
    assert supervisor.child
    await supervisor.child.stop(5)


async def test_a_restart_that_can_not_be_told_on_a_full_disk_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = asyncio.Event()

    def fail() -> None:
        told.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    supervisor = Supervisor(Scripted(tmp_path, _DIES_LATER, _LIVES), Console(quiet=True), fail)
    await supervisor.start()
    await asyncio.wait_for(told.wait(), 10)
    assert not supervisor.task.done()
    await supervisor.stop(5)
    assert (
        "The ready file could not be updated after part restarted: No space left on device." in capsys.readouterr().err
    )


async def test_a_ready_file_that_is_half_written_is_read_again(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    script = f"printf '{{\"a\"' > {ready}; sleep 0.2; printf ': 1}}' >> {ready}; exec sleep 60"
    child = await spawn(Program("part", ["/bin/sh", "-c", script], os.environ, tmp_path))
    assert await until_written(ready, child, within_s=10) == json.loads('{"a": 1}')
    await child.stop(5)


async def test_who_takes_too_long_is_told_of(tmp_path: Path) -> None:
    child = await spawn(Program("part", ["/bin/sh", "-c", "echo busy; exec sleep 60"], os.environ, tmp_path))
    with pytest.raises(StartError, match=r"part was not ready within 1 s: busy"):
        await until_written(tmp_path / "never.json", child, within_s=1)
    await child.stop(5)


@pytest.mark.parametrize(("uptime_s", "waits_s"), [(0.0, 5.0), (5.0, 2.5), (20.0, 0.3125), (60.0, 0.1), (1e9, 0.1)])
def test_what_lived_longer_is_waited_for_less(monkeypatch: pytest.MonkeyPatch, uptime_s: float, waits_s: float) -> None:
    monkeypatch.setattr(supervisor_module, "_FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(supervisor_module, "_LONGEST_PAUSE_S", 5.0)
    assert supervisor_module.pause_after(5.0, uptime_s) == pytest.approx(waits_s)
