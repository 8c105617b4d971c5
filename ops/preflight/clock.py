"""The clock: whether the system keeps it right, and how far it is from the bus's, by which deadlines are counted."""

import ctypes
import time
from datetime import datetime
from typing import Final

from ops.preflight import bus
from ops.preflight.context import Scene
from ops.preflight.finding import Finding, ok, warning

_UNSYNCHRONIZED: Final = 0x40  # STA_UNSYNC of adjtimex(2)
_STATUS_AT: Final = 40  # the offset of `status` in struct timex: modes, offset, freq, maxerror, esterror
_TIMEX_BYTES: Final = 256
_MOST_SKEW_S: Final = 1.0


def check(scene: Scene, monitoring: str | None) -> list[Finding]:
    found = [judge_sync(kernel_status())]
    monitoring = monitoring or bus.embedded_monitoring(scene.settings.data_dir)
    if monitoring and (skew_s := skew_to(monitoring)) is not None:
        found.append(judge_skew(skew_s))
    return found


def kernel_status() -> int | None:
    """The kernel's word on its clock (adjtimex(2), which changes nothing); None when it can't be asked."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    return int.from_bytes(timex.raw[_STATUS_AT : _STATUS_AT + 4], "little")


def judge_sync(status: int | None) -> Finding:
    if status is None:
        return warning("clock", "the kernel does not say whether it is synchronized", "Look at the host's clock.")
    if status & _UNSYNCHRONIZED:
        return warning(
            "clock",
            "is not synchronized: the times in logs, audit lines and expiries of tokens drift",
            "Run chrony or systemd-timesyncd (timedatectl set-ntp true), in a container on its host.",
        )
    return ok("clock", "synchronized")


def skew_to(monitoring: str) -> float | None:
    """Seconds by which the bus's clock is ahead of ours, as far as the way there lets it be seen."""
    before_s = time.time()
    varz = bus.read(monitoring, "/varz")
    after_s = time.time()
    try:
        said_s = datetime.fromisoformat(varz["now"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None
    if before_s <= said_s <= after_s:
        return 0.0
    return said_s - (after_s if said_s > after_s else before_s)


def judge_skew(skew_s: float) -> Finding:
    detail = f"{abs(skew_s):.2f} s from the bus's"
    if abs(skew_s) > _MOST_SKEW_S:
        return warning(
            "clock of the bus",
            f"{detail}: deadlines and the age of waiting jobs are counted by both",
            "Synchronize both machines.",
        )
    return ok("clock of the bus", detail)
