"""Why a worker is not ready, from its start to its end."""

import time
from typing import cast

from contract.bus import Bus
from contract.runtime.systemd import Notifier
from inference_worker.engines.echo import EchoEngine
from inference_worker.monitoring.watchdog import Health, Watchdog


class Line:
    """As much of a bus as health looks at."""

    is_connected = False


def test_what_hinders_is_said_one_after_the_other() -> None:
    line, engine = Line(), EchoEngine(slots=2)
    health = Health(cast(Bus, line))
    assert health.not_ready_reason() == "The model is being loaded."
    health.watchdog = Watchdog(engine, list, 0.5, Notifier())
    assert health.not_ready_reason() == "The bus is not connected."
    line.is_connected = True
    assert health.not_ready_reason() is None
    engine.stalled_s = 20.0
    time.sleep(0.26)
    health.watchdog.check(time.monotonic())
    line.is_connected = False
    assert health.not_ready_reason() == "The bus is not connected."
    health.is_stopping = True
    assert health.not_ready_reason() == "The worker is stopping."
