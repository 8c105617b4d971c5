"""The lock: one holder, named, for as long as a process that has it lives."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contract.errors import AlreadyRunningError
from contract.runtime.lock import FileLock
from ops.supervisor.data_dir import locked


def test_a_second_one_is_refused_and_the_holder_is_known(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    first.acquire()
    with pytest.raises(AlreadyRunningError):
        second.acquire()
    assert second.holder() == os.getpid()
    first.release()
    second.acquire()
    second.release()


def test_a_child_that_inherits_it_holds_it_after_its_parent_has_given_it_up(tmp_path: Path) -> None:
    lock, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    lock.acquire()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.descriptor,)
    ) as child:
        lock.name(child.pid)
        lock.release()
        with pytest.raises(AlreadyRunningError):
            other.acquire()
        assert other.holder() == child.pid
        child.communicate(b"\n")
    other.acquire()
    other.release()


def test_a_data_folder_is_claimed_once_and_belongs_to_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    with locked(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
        held_by = rf"Process {os.getpid()} already runs on .*data"
        with pytest.raises(AlreadyRunningError, match=held_by), locked(folder):
            pass
    with locked(folder):
        pass


def test_a_holder_that_can_not_be_named_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk: who can't write down its name must not keep others out."""
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", no_space)
        with pytest.raises(OSError, match="No space"):
            first.acquire()
    second.acquire()
    second.release()


def no_space(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
