"""The disk under the embedded nats-server: whether it has room, and whether the server still writes to it.

After one failed write a stream of nats-server (2.14 and later) accepts nothing until the server is restarted, even if
there is room again (nats-io/nats-server#7788). /healthz reports it.
"""

import shutil
from pathlib import Path
from typing import Final

from ops.nats import monitoring as nats_monitoring
from ops.nats.monitoring import MonitoringError
from ops.supervisor.supervisor import StartError

ROOM_BYTES: Final = 16 * 2**20
"""Room for several of the largest jobs. The server stops at 0 bytes and starts at this many, so it does not flap."""

_FIXED_BY_A_RESTART: Final = ("write error", "JetStream not enabled")
"""Other errors of /healthz stay after a restart: a stream that cannot be read, for example."""


def check_room(folder: Path) -> None:
    """Raises StartError if the disk is so full that a server would soon stop again."""
    if shutil.disk_usage(folder).free < ROOM_BYTES:
        raise StartError(
            f"The disk is too full for the message bus: {folder} needs {ROOM_BYTES // 2**20} MiB free. "
            "Accepted jobs are still stored there."
        )


def write_error(monitoring: str) -> str | None:
    """Why the server can store nothing until it is restarted; None if it can, or if it does not answer."""
    try:
        error = str(nats_monitoring.page(monitoring, "/healthz").get("error", ""))
    except MonitoringError:
        return None
    return error if any(sign in error for sign in _FIXED_BY_A_RESTART) else None


def answers(monitoring: str) -> bool:
    """Whether the server answers at all: one that is stopped or stuck does not."""
    try:
        nats_monitoring.page(monitoring, "/healthz")
    except MonitoringError:
        return False
    return True
