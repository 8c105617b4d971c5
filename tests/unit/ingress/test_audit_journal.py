"""The journal as a target, with a socket in journald's place."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingress.middleware import audit_log
from ingress.middleware.audit_log import Journal

LINE = b'{"decision":"refused"}\n'
ENTRY = b"SYSLOG_IDENTIFIER=docqa-audit\nPRIORITY=6\nMESSAGE=" + LINE


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Unix socket's path ends at 107 bytes: pytest's own folders are too long."""
    folder = Path(tempfile.mkdtemp(prefix="dq"))
    monkeypatch.setattr(audit_log, "_JOURNAL", str(folder / "socket"))
    yield folder / "socket"
    shutil.rmtree(folder)


def bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journald.bind(str(path))
    journald.settimeout(5)
    return journald


def test_each_line_is_an_entry_under_a_name_of_its_own(path: Path) -> None:
    journal = Journal()
    with bound(path) as journald:
        journal.open()
        journal.write([LINE, LINE])
        assert [journald.recv(4096), journald.recv(4096)] == [ENTRY, ENTRY]
    journal.close()


def test_a_journald_that_was_restarted_is_found_again(path: Path) -> None:
    journal = Journal()
    with bound(path):
        journal.open()
    with bound(path) as journald:
        journal.write([LINE])
        assert journald.recv(4096) == ENTRY
    with pytest.raises(OSError, match="refused"):
        journal.write([LINE])
    with bound(path) as journald:
        journal.write([LINE])
        assert journald.recv(4096) == ENTRY
    journal.close()


def test_without_a_journald_it_cant_be_opened(path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Journal().open()
