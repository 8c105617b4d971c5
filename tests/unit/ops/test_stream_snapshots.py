"""A stream comes back through whichever server of a cluster receives its pieces."""

from typing import Any, cast

import msgspec
import pytest

from contract.bus import Bus
from contract.bus.stream_info import StreamState
from contract.errors import NotProvisionedError
from ops.backup import stream_snapshots
from ops.backup.stream_snapshots import Taken


class LateReceiver:
    """A bus on which the receiver of the pieces is known only after some requests."""

    def __init__(self, unknown_for: int) -> None:
        self.received: list[bytes] = []
        self._unknown_for = unknown_for

    async def request(self, subject: str, body: bytes, timeout_s: float) -> bytes:
        if subject != "receiver":
            return msgspec.json.encode({"deliver_subject": "receiver"})
        if self._unknown_for:
            self._unknown_for -= 1
            raise NotProvisionedError
        self.received.append(body)
        return b'{"state": {"messages": 7}}' if not body else b""


async def test_pieces_wait_for_a_receiver_that_the_server_does_not_know_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_snapshots, "_RECEIVER_AGAIN_AFTER_S", 0.0)
    bus = LateReceiver(unknown_for=3)

    state = await stream_snapshots.restore(cast(Bus, bus), Taken({"name": "JOBS"}, StreamState()), [b"one", b"two"])

    assert bus.received == [b"one", b"two", b""]
    assert state.messages == 7


async def test_a_receiver_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_snapshots, "_CONTINUES_WITHIN_S", 0.0)
    bus: Any = LateReceiver(unknown_for=1000)

    with pytest.raises(NotProvisionedError):
        await stream_snapshots.restore(bus, Taken({"name": "JOBS"}, StreamState()), [b"one"])
