"""The idle slots of the other workers, as they announce them. Knows no jobs."""

import time
from typing import Final

from nats.aio.msg import Msg

from contract.errors import BadMessageError
from contract.messages import decode_announcement

_BELIEVED_FOR_S: Final = 15.0
"""Three announcements: a worker that was killed announces no more."""


class OtherWorkers:
    """The last announcement of each worker but this one, which is `own_id`."""

    def __init__(self, own_id: str) -> None:
        self._own_id = own_id
        self._idle: dict[str, tuple[float, int]] = {}

    async def on_message(self, message: Msg) -> None:
        """Take in one announcement."""
        try:
            worker = decode_announcement(message.data)
        except BadMessageError:
            return
        if worker.id == self._own_id:
            return
        if worker.leaving or worker.error or not worker.idle_slots:
            self._idle.pop(worker.id, None)
        else:
            self._idle[worker.id] = (time.monotonic(), worker.idle_slots)

    @property
    def idle_slots(self) -> int:
        """Slots of others that have nothing to do."""
        since_s = time.monotonic() - _BELIEVED_FOR_S
        self._idle = {name: seen for name, seen in self._idle.items() if seen[0] >= since_s}
        return sum(slots for _, slots in self._idle.values())
