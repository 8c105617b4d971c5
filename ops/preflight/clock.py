"""Checks the clock: whether it is synchronized, and its difference to the message bus's clock, which deadlines use."""

import ctypes
import time
from datetime import datetime
from typing import Final

from ops.preflight import bus
from ops.preflight.context import Context
from ops.preflight.finding import Finding, ok, warning

_UNSYNCHRONIZED: Final = 0x40  # STA_UNSYNC of adjtimex(2)
_STATUS_AT: Final = 40  # the offset of `status` in struct timex: modes, offset, freq, maxerror, esterror
_TIMEX_BYTES: Final = 256
_MOST_SKEW_S: Final = 1.0


def check(context: Context, monitoring: str | None) -> list[Finding]:
    found = [check_sync(kernel_status())]
    monitoring = monitoring or bus.embedded_monitoring(context.settings.data_dir)
    if monitoring and (skew_s := skew_to(monitoring)) is not None:
        found.append(check_skew(skew_s))
    return found


def kernel_status() -> int | None:
    """The status of the kernel's clock (adjtimex(2), read only); None if it is not available."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    return int.from_bytes(timex.raw[_STATUS_AT : _STATUS_AT + 4], "little")


def check_sync(status: int | None) -> Finding:
    if status is None:
        return warning("clock", "the kernel does not report whether it is synchronized", "Check the clock of the host.")
    if status & _UNSYNCHRONIZED:
        return warning(
            "clock",
            "is not synchronized: times in logs and audit lines and the expiry of tokens drift",
            "Run chrony or systemd-timesyncd (timedatectl set-ntp true); for a container, on its host.",
        )
    return ok("clock", "synchronized")


def skew_to(monitoring: str) -> float | None:
    """Seconds by which the bus's clock is ahead of this one, at least; 0 if within the time of the request."""
    before_s = time.time()
    varz = bus.read(monitoring, "/varz")
    after_s = time.time()
    try:
        bus_s = datetime.fromisoformat(varz["now"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None
    if before_s <= bus_s <= after_s:
        return 0.0
    return bus_s - (after_s if bus_s > after_s else before_s)


def check_skew(skew_s: float) -> Finding:
    detail = f"{abs(skew_s):.2f} s from the bus's"
    if abs(skew_s) > _MOST_SKEW_S:
        return warning(
            "clock of the bus",
            f"{detail}: deadlines and ages of waiting jobs depend on both clocks",
            "Synchronize both machines.",
        )
    return ok("clock of the bus", detail)
