"""Tries a backup out: restores it into a nats-server of its own and counts what is there then."""

from pathlib import Path

import msgspec

from contract.errors import DocQAError
from contract.settings import QueueSettings
from ops.backup import archive, stream_snapshots
from ops.backup.archive import DamagedError, Stream
from ops.backup.stream_snapshots import State, Taken
from ops.console import Console
from ops.nats import config
from ops.nats.scratch_server import serving


async def try_out(
    path: Path, streams: list[Stream], settings: QueueSettings, place: Path, console: Console
) -> list[Stream]:
    """The streams with the counts that were found; `place` is used and removed. Raises DamagedError, DocQAError."""
    tried = []
    async with serving(place, settings, place / config.STORE) as bus:
        for number, stream in enumerate(streams, 1):
            console.work(f"Trying {stream.name} ({number} of {len(streams)})")
            taken = Taken(_on_trial(stream.taken), stream.taken.state)
            try:
                found = await stream_snapshots.restore(bus, taken, archive.pieces_of(path, stream.member))
            except DamagedError:
                raise
            except DocQAError as error:
                raise DamagedError(f"{path}: {stream.name} can't be restored: {error}") from None
            check(path, stream, found)
            tried.append(msgspec.structs.replace(stream, restored=found))
    return tried


def check(path: Path, stream: Stream, found: State) -> None:
    """Raises DamagedError where another count comes out than was written down."""
    if stream.restored:
        if _counts(found) != _counts(stream.restored):
            raise DamagedError(
                f"{path}: {stream.name} has {found.messages} messages where the manifest says "
                f"{stream.restored.messages}."
            )
    elif found.last_seq < stream.taken.state.last_seq:
        raise DamagedError(
            f"{path}: {stream.name} ends at {found.last_seq}, and it had {stream.taken.state.last_seq} when it was "
            "saved."
        )


def _counts(state: State) -> tuple[int, int, int]:
    return state.messages, state.first_seq, state.last_seq


def _on_trial(taken: Taken) -> dict[str, object]:
    """A backup that is older than its stream's messages may become is counted all the same; there is one server."""
    return {**taken.config, "max_age": 0, "num_replicas": 1}
