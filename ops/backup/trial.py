"""Verifies a backup: restores it into a private nats-server and compares the counts of messages."""

from pathlib import Path

import msgspec

from contract.bus.stream_info import StreamState
from contract.errors import DocQAError
from contract.settings import QueueSettings
from ops.backup import archive, stream_snapshots
from ops.backup.archive import DamagedError, Stream
from ops.backup.stream_snapshots import Taken
from ops.console import Console
from ops.nats import config
from ops.nats.scratch_server import serving


async def try_out(
    path: Path, streams: list[Stream], settings: QueueSettings, work: Path, console: Console
) -> list[Stream]:
    """The streams with the counts found; `work` is used and removed. Raises DamagedError, DocQAError."""
    tried = []
    async with serving(work, settings, work / config.STORE) as bus:
        for number, stream in enumerate(streams, 1):
            console.work(f"Verifying {stream.name} ({number} of {len(streams)})")
            taken = Taken(_on_trial(stream.taken), stream.taken.state)
            try:
                found = await stream_snapshots.restore(bus, taken, archive.pieces_of(path, stream.member))
            except DamagedError:
                raise
            except DocQAError as error:
                raise DamagedError(f"{path}: {stream.name} cannot be restored: {error}") from None
            check(path, stream, found)
            tried.append(msgspec.structs.replace(stream, restored=found))
    return tried


def check(path: Path, stream: Stream, found: StreamState) -> None:
    """Raises DamagedError if the counts differ from the recorded ones."""
    if stream.restored:
        if _counts(found) != _counts(stream.restored):
            raise DamagedError(
                f"{path}: {stream.name} has {found.messages} messages, the manifest says {stream.restored.messages}."
            )
    elif found.last_seq < stream.taken.state.last_seq:
        raise DamagedError(
            f"{path}: {stream.name} ends at {found.last_seq}, and ended at {stream.taken.state.last_seq} when saved."
        )


def _counts(state: StreamState) -> tuple[int, int, int]:
    return state.messages, state.first_seq, state.last_seq


def _on_trial(taken: Taken) -> dict[str, object]:
    """Without the maximum age, so that old messages still count, and with one copy, since there is one server."""
    return {**taken.config, "max_age": 0, "num_replicas": 1}
