"""The tools of the worker's package that other packages start, and the messages that they write, one a line of JSON.

`ops` and `bench` start a tool as a process and read its messages; `inference_worker.tools` are the tools. The last
message of each is its reply, or `Failed`.
"""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from contract.errors import DocQAError

Tool = Literal["tune", "list_models", "model_snapshots", "memory_need", "near_ties"]


class Message(msgspec.Struct, kw_only=True, tag_field="event"):
    """What all messages share; `event` on the wire names the message."""


class Failed(Message, tag="failed"):
    """The tool could not do its work: the sentence says why."""

    sentence: str


class Began(Message, tag="began"):
    """A tuning has begun, in `folder`, with these quantizations."""

    model: str
    folder: str
    candidates: list[str]


class Trying(Message, tag="trying"):
    """A tuning measures a candidate; `done` is the share of the work before it, 0 to 1."""

    candidate: dict[str, Any]
    done: float


class Chosen(Message, tag="chosen"):
    """A tuning's reply: the choice with all that was tried, and where it is kept."""

    choice: dict[str, Any]
    folder: str


class Working(Message, tag="working"):
    """The snapshot tool is reading, keeping, checking or restoring a file."""

    what: str
    path: str


class SnapshotsListed(Message, tag="snapshots-listed"):
    """The reply to `list`."""

    snapshots: list[dict[str, Any]]


class SnapshotMade(Message, tag="snapshot-made"):
    """The reply to `snapshot`; not `is_new`: the newest one holds the same files."""

    snapshot: dict[str, Any]
    is_new: bool
    folder: str


class SnapshotVerified(Message, tag="snapshot-verified"):
    """The reply to `verify`: a sentence for each file that is not as it was recorded."""

    troubles: list[str]


class SnapshotRestored(Message, tag="snapshot-restored"):
    """The reply to `restore`: the files' paths."""

    restored: list[str]


class ModelsListed(Message, tag="models-listed"):
    """The models of a machine, and the tuning's choice for each, if there is one."""

    models: list[dict[str, Any]]


class MemoryNeed(Message, tag="memory-need"):
    """The memory of a worker that is ready and busy, in bytes. Without a readable header it is the file's only."""

    engine: str
    slots: int
    cores: int
    threads: int
    cpu_flags: list[str]
    model: str = ""
    path: str = ""
    runs_as: str = ""
    is_made: bool = True
    """False: the file that is run is converted at the first start, and `file_bytes` is the source file's."""
    file_bytes: int = 0
    context_tokens: int = 0
    cells_bytes: int = 0
    step_bytes: int = 0
    prefix_cache_bytes: int = 0
    process_bytes: int = 0
    total_bytes: int = 0


class Pair(msgspec.Struct, frozen=True):
    """Two answers to one prompt; a list of pairs is the input of `near_ties`."""

    query: str
    context: str
    first: str
    second: str


class Fork(msgspec.Struct, frozen=True):
    """Where two answers differ first: after so many common tokens, the two next ones, and how likely these are."""

    common_tokens: int
    first: str
    second: str
    gap_nats: float
    """By how much the logarithms of their probabilities differ."""
    behind_nats: float
    """By how much the less likely one is behind the likeliest token."""


class NearTies(Message, tag="near-ties"):
    """One fork for each pair."""

    forks: list[Fork]


AnyMessage = (
    Failed
    | Began
    | Trying
    | Chosen
    | Working
    | SnapshotsListed
    | SnapshotMade
    | SnapshotVerified
    | SnapshotRestored
    | ModelsListed
    | MemoryNeed
    | NearTies
)

M = TypeVar("M", bound=Message)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)


def encode(message: Message) -> bytes:
    """One line."""
    return _encoder.encode(message) + b"\n"


def decode(line: bytes) -> AnyMessage:
    """Raises msgspec.DecodeError."""
    return _decoder.decode(line)


def command(tool: Tool, *arguments: str) -> list[str]:
    """What starts a tool."""
    return [sys.executable, "-m", f"inference_worker.tools.{tool}", *arguments]


def ask(tool: Tool, reply: type[M], environment: Mapping[str, str], *arguments: str, given: bytes = b"") -> M:
    """Run a tool that says nothing before its reply; raises DocQAError with its sentence. `given` is its input."""
    done = subprocess.run(
        command(tool, *arguments), env=dict(environment), input=given, capture_output=True, check=False
    )
    try:
        message = decode(done.stdout.strip().rpartition(b"\n")[2])
    except (msgspec.DecodeError, UnicodeDecodeError):
        words = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise DocQAError(words or f"The tool {tool} exited without a reply.") from None
    if isinstance(message, Failed):
        raise DocQAError(message.sentence)
    if not isinstance(message, reply):
        raise DocQAError(f"The tool {tool} gave another reply than was expected.")
    return message


def as_json(message: Message) -> dict[str, Any]:
    """The message's fields, for `--json`."""
    fields: dict[str, Any] = msgspec.to_builtins(message)
    fields.pop("event")
    return fields
