"""Free ports for servers that cannot pick their own, or whose port must be known before they start."""

import contextlib
import random
import socket
from typing import Final

_NOT_EPHEMERAL: Final = range(10_000, 32_000)
"""Linux and macOS use ports from 32768 on for outgoing connections: one could be taken before its server starts."""

_draw = random.SystemRandom()
"""Not seeded, because concurrent programs must not draw the same ports."""


def free_ports(count: int) -> list[int]:
    """`count` different ports of this machine on which nothing listens."""
    with contextlib.ExitStack() as probes:
        found: list[int] = []
        while len(found) < count:
            probe, port = probes.enter_context(socket.socket()), _draw.choice(_NOT_EPHEMERAL)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
        return found


def free_port() -> int:
    """One free port."""
    return free_ports(1)[0]
