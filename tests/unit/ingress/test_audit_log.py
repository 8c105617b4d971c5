"""Where audit lines go, and what happens when they can't."""

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from contract.errors import SettingsError
from ingress.middleware import audit_log
from ingress.middleware.audit_log import AuditLog, Journal, RotatedFile, Stderr, target_of

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Shelf:
    """Keeps lines, unless the test lets it fail or wait."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.error: OSError | None = None
        self.may_write = threading.Event()
        self.may_write.set()

    def open(self) -> None:
        if self.error:
            raise self.error

    def write(self, lines: list[bytes]) -> None:
        self.may_write.wait(10)
        if self.error:
            raise self.error
        self.lines += lines


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def log(shelf: Shelf) -> Iterator[AuditLog]:
    log = AuditLog(shelf)
    log.start()
    yield log
    shelf.may_write.set()
    log.close()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def lost_in_metrics() -> float:
    return REGISTRY.get_sample_value("docqa_audit_lines_lost_total") or 0.0


def test_lines_arrive_in_order_and_all_of_them_by_the_end(shelf: Shelf) -> None:
    log = AuditLog(shelf)
    log.start()
    lines = [f"{number}\n".encode() for number in range(5000)]
    for line in lines:
        log.write(line)
    log.close()
    assert shelf.lines == lines
    assert (log.lost, log.error) == (0, None)


def test_what_cant_be_written_is_counted_and_told(log: AuditLog, shelf: Shelf) -> None:
    before, shelf.error = lost_in_metrics(), FULL
    log.write(b"lost\n")
    until(lambda: log.lost)
    assert log.error == "No space left on device"
    assert lost_in_metrics() == before + 1
    shelf.error = None
    log.write(b"kept\n")
    until(lambda: shelf.lines)
    assert shelf.lines == [b"kept\n"]
    assert log.error, "a loss is shown for a while"


def test_trouble_is_told_for_a_while_after_it_ended(
    log: AuditLog, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.error = FULL
    log.write(b"lost\n")
    until(lambda: log.error)
    monkeypatch.setattr(audit_log, "FAILING_FOR_S", 0.0)
    assert log.error is None
    assert log.lost == 1


def test_what_comes_faster_than_it_can_be_written_is_bounded(
    log: AuditLog, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.may_write.clear()
    most = audit_log.MOST_WAITING
    for _ in range(2 * most + 10):
        log.write(b"x\n")
    assert log.lost >= 10
    assert log.error == "more lines came than could be written"
    shelf.may_write.set()
    until(lambda: len(shelf.lines) + log.lost == 2 * most + 10)


def test_a_start_does_without_no_target(shelf: Shelf) -> None:
    shelf.error = FULL
    with pytest.raises(SettingsError, match=r"^DOCQA_AUDIT_LOG: can't write there: No space left on device\.$"):
        AuditLog(shelf).start()


def test_the_setting_names_the_target(tmp_path: Path) -> None:
    assert isinstance(target_of("stderr"), Stderr)
    assert isinstance(target_of("journal"), Journal)
    assert isinstance(target_of(str(tmp_path / "audit.log")), RotatedFile)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "audit.log"


@pytest.fixture
def file(path: Path) -> RotatedFile:
    file = RotatedFile(path)
    file.open()
    return file


def test_a_file_is_its_owners_alone_and_grows(path: Path, file: RotatedFile) -> None:
    file.write([b"one\n", b"two\n"])
    again = RotatedFile(path)
    again.open()
    again.write([b"three\n"])
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_large_file_is_renamed_and_the_oldest_goes(
    path: Path, file: RotatedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "LARGEST_FILE_BYTES", 10)
    for number in range(9):
        file.write([f"line {number}\n".encode()])
    kept = [path, *(path.with_name(f"audit.log.{number}") for number in range(1, audit_log.OLDER_FILES + 1))]
    assert [one.read_bytes() for one in kept] == [f"line {number}\n".encode() for number in (8, 7, 6, 5, 4, 3)]
    assert sorted(path.parent.iterdir()) == sorted(kept)
    assert {stat.S_IMODE(one.stat().st_mode) for one in kept} == {0o600}


@pytest.mark.parametrize("how", ["renamed", "removed"])
def test_a_file_that_somebody_else_takes_away_is_made_anew(path: Path, file: RotatedFile, how: str) -> None:
    file.write([b"old\n"])
    path.rename(path.with_suffix(".old")) if how == "renamed" else path.unlink()
    file.write([b"new\n"])
    assert path.read_bytes() == b"new\n"


def test_after_a_write_that_stopped_in_the_middle_the_next_line_begins_on_its_own(
    path: Path, file: RotatedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = os.write, []

    def fill_the_disk(descriptor: int, content: bytes) -> int:
        calls.append(content)
        if len(calls) > 1:
            raise FULL
        return write(descriptor, content[:3])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fill_the_disk)
        with pytest.raises(OSError, match="No space"):
            file.write([b"torn line\n"])
    file.write([b"whole line\n"])
    assert path.read_bytes() == b"tor\nwhole line\n"


def test_on_stderr_each_line_is_a_write_of_its_own(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Stderr().write([b"one\n", b"two\n"])
    assert capfdbinary.readouterr().err == b"one\ntwo\n"
