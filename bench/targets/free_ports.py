"""Ports for servers that can't pick their own, or that others must know before they run."""

import contextlib
import random
import socket
from typing import Final

_UNLENT: Final = range(10_000, 32_000)
"""Linux and macOS lend ports from 32768 on to whoever connects: one of those may be gone before its server starts."""

_draw = random.SystemRandom()
"""Not seeded: programs side by side must not draw the same."""


def free_ports(count: int) -> list[int]:
    """So many ports of this machine that nobody listens on, each another."""
    with contextlib.ExitStack() as probes:
        found: list[int] = []
        while len(found) < count:
            probe, port = probes.enter_context(socket.socket()), _draw.choice(_UNLENT)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
        return found


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]
