"""Writes the audit log's lines to a rotated file, the journal or stderr, on a thread of its own.

Knows nothing of the lines' content. Bounded: lines that come faster than they can be written are counted as lost.
"""

import contextlib
import errno
import os
import queue
import socket
import threading
import time
from pathlib import Path
from typing import Final, Protocol

import structlog

from contract.errors import SettingsError
from ingress.middleware import metrics

LARGEST_FILE_BYTES: Final = 64 * 2**20
OLDER_FILES: Final = 5
MOST_WAITING: Final = 10_000
GATHERS_FOR_S: Final = 0.02
FAILING_FOR_S: Final = 60.0
"""How long a loss is reported at least."""

_ENDS_WITHIN_S: Final = 5.0
_JOURNAL: Final = "/run/systemd/journal/socket"
_STDERR: Final = 2

log = structlog.get_logger(__name__)


class Target(Protocol):
    """Where lines are written; takes whole lines, raises OSError."""

    def open(self) -> None: ...

    def write(self, lines: list[bytes]) -> None: ...


class AuditLog:
    """Queues lines for a target. `error` says why lines were lost lately."""

    def __init__(self, target: Target) -> None:
        self._target = target
        # Not a Queue, whose lock both threads would contend for.
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="audit log", daemon=True)
        self._lost_at_s = -FAILING_FOR_S
        self._error: str | None = None
        self.lost = 0

    def start(self) -> None:
        """Raises SettingsError when the target can't be written: a configured audit log is complete from the start."""
        try:
            self._target.open()
        except OSError as error:
            raise SettingsError(f"DOCQA_AUDIT_LOG: can't write there: {error.strerror}.") from None
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Queue a line, without waiting."""
        if self._waiting.qsize() >= MOST_WAITING:
            return self._lose(1, "more lines came than could be written")
        self._waiting.put(line)

    def close(self) -> None:
        """Write the queued lines, within a few seconds."""
        self._waiting.put(None)
        self._thread.join(_ENDS_WITHIN_S)

    @property
    def error(self) -> str | None:
        """Why lines were lost within the last FAILING_FOR_S seconds, else None."""
        return self._error if time.monotonic() - self._lost_at_s < FAILING_FOR_S else None

    def _run(self) -> None:
        is_open = True
        while is_open:
            waiting = self._next()
            is_open = None not in waiting
            self._write([line for line in waiting if line is not None])

    def _next(self) -> list[bytes | None]:
        """Waits for lines and returns all that are queued; None among them is the end."""
        waiting = [self._waiting.get()]
        # Not one by one: each wake-up of this thread takes time from the serving thread.
        time.sleep(GATHERS_FOR_S)
        with contextlib.suppress(queue.Empty):
            while len(waiting) < MOST_WAITING:
                waiting.append(self._waiting.get_nowait())
        return waiting

    def _write(self, lines: list[bytes]) -> None:
        try:
            self._target.write(lines)
        except OSError as error:
            self._lose(len(lines), error.strerror or str(error))

    def _lose(self, count: int, reason: str) -> None:
        if self.error is None:
            log.error("audit lines are lost", reason=reason)
        self.lost += count
        metrics.AUDIT_LOST.inc(count)
        self._error, self._lost_at_s = reason, time.monotonic()


class RotatedFile:
    """A file readable by its owner only, renamed to `.1` when it has grown large; reopened when it was renamed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._is_torn = False

    def open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, lines: list[bytes]) -> None:
        content = b"".join(lines)
        if not self._is_there():
            self._reopen()
        size = os.fstat(self._descriptor).st_size
        if size and size + len(content) > LARGEST_FILE_BYTES:
            self._rotate()
        self._append(content)

    def _append(self, content: bytes) -> None:
        # After a write that failed midway, start the next line on a new line.
        rest = memoryview(b"\n" + content if self._is_torn else content)
        self._is_torn = True
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._is_torn = False

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def _rotate(self) -> None:
        for number in range(OLDER_FILES, 0, -1):
            older = self._path if number == 1 else self._numbered(number - 1)
            with contextlib.suppress(FileNotFoundError):
                older.replace(self._numbered(number))
        self._reopen()

    def _reopen(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._is_torn = False
        self.open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class Stderr:
    """Standard error, mixed with the service's own log."""

    def open(self) -> None:
        pass

    def write(self, lines: list[bytes]) -> None:
        # Line by line: a short write to a pipe is not interleaved with the log's own.
        for line in lines:
            os.write(_STDERR, line)


class Journal:
    """systemd's journal, in its native protocol, under an identifier of its own."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def open(self) -> None:
        self.close()
        with contextlib.ExitStack() as on_failure:
            journald = on_failure.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            journald.connect(_JOURNAL)
            on_failure.pop_all()
        self._socket = journald

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def write(self, lines: list[bytes]) -> None:
        for line in lines:
            self._send(b"SYSLOG_IDENTIFIER=docqa-audit\nPRIORITY=6\nMESSAGE=" + line)

    def _send(self, entry: bytes) -> None:
        try:
            self._connected().send(entry)
        except OSError:
            # A restarted journald has a new socket.
            self.open()
            self._connected().send(entry)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self._socket


def target_of(setting: str) -> Target:
    """The target that DOCQA_AUDIT_LOG names."""
    match setting:
        case "stderr":
            return Stderr()
        case "journal":
            return Journal()
        case path:
            try:
                return RotatedFile(Path(path).expanduser())
            except RuntimeError:
                raise SettingsError("DOCQA_AUDIT_LOG: there is no such home folder: name a path without `~`.") from None
