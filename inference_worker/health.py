"""Whether the worker answers jobs now, and if not, why. Written by the worker's loop, read by any thread."""

import time

from contract.bus import Bus
from inference_worker.monitoring.watchdog import Watchdog


class Health:
    """Follows the worker from the load of its model to its end."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.watchdog: Watchdog | None = None
        """Set once there is a model to watch."""
        self.is_stopping = False

    def hindrance(self) -> str | None:
        """Why no job would be answered, in one sentence; None when nothing hinders."""
        if self.is_stopping:
            return "The worker is stopping."
        if self.watchdog is None:
            return "The model is being loaded."
        if not self._bus.is_connected:
            return "The bus is not connected."
        return self.watchdog.hindrance(time.monotonic())
