"""The disk under the embedded nats-server: whether it has room, and whether the server still writes to it.

A stream of nats-server (2.14 and later) whose write failed once takes nothing more until the server is restarted,
whatever room there is by then (nats-io/nats-server#7788). Its /healthz says so.
"""

import contextlib
import http.client
import json
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ops.supervisor.keeper import StartError

ROOM_BYTES: Final = 16 * 2**20
"""Several of the largest jobs. The server stops at no room at all and starts with this much: it does not flap."""

_ANSWERS_WITHIN_S: Final = 5.0
_MENDED_BY_A_RESTART: Final = ("write error", "JetStream not enabled")
"""Not all that /healthz complains of: a stream that can't be read won't be after a restart either."""


def check_room(folder: Path) -> None:
    """Raises StartError where a server would soon stop again."""
    if shutil.disk_usage(folder).free < ROOM_BYTES:
        raise StartError(
            f"There is no room for the bus: {folder} needs {ROOM_BYTES // 2**20} MiB free. "
            "What was accepted is kept there."
        )


def trouble(monitoring: str) -> str | None:
    """Why the server stores nothing more until it is restarted; None when it does, or doesn't say."""
    try:
        words = str(_healthz(monitoring).get("error", ""))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return words if any(sign in words for sign in _MENDED_BY_A_RESTART) else None


def answers(monitoring: str) -> bool:
    """Whether the server says anything at all: one that stands still doesn't."""
    try:
        _healthz(monitoring)
    except (OSError, http.client.HTTPException, ValueError):
        return False
    return True


def _healthz(monitoring: str) -> dict[str, object]:
    connection = http.client.HTTPConnection(urlsplit(monitoring).netloc, timeout=_ANSWERS_WITHIN_S)
    with contextlib.closing(connection):
        connection.request("GET", "/healthz")
        found: dict[str, object] = json.load(connection.getresponse())
        return found
