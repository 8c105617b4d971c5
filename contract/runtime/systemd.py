"""Reports the process's state to the service manager (sd_notify(3)); does nothing without one."""

import contextlib
import math
import socket
from collections.abc import Mapping


class Notifier:
    """Sends notifications to the service manager's socket. Best effort: it never blocks and never raises."""

    def __init__(self, address: str = "", watchdog_s: float = math.inf) -> None:
        """`address`: a path, or `@` and an abstract name. `watchdog_s`: the manager's watchdog timeout."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pid: int) -> "Notifier":
        """From systemd's variables; a watchdog set for another process is ignored."""
        limit_us = environment.get("WATCHDOG_USEC", "")
        is_ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        has_limit = is_ours and limit_us.isdecimal() and int(limit_us) > 0
        return cls(environment.get("NOTIFY_SOCKET", ""), int(limit_us) / 1e6 if has_limit else math.inf)

    def ready(self) -> None:
        self._say(b"READY=1")

    def alive(self) -> None:
        """Reset the watchdog, if there is one."""
        if self.watchdog_s < math.inf:
            self._say(b"WATCHDOG=1")

    def stopping(self) -> None:
        self._say(b"STOPPING=1")

    def _say(self, word: bytes) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(word, self._address)
