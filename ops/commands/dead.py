"""`docqa dead`: lists, shows, replays and removes dead letters, the jobs that ended without an answer."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import click
import msgspec

from contract.bus import Bus
from contract.errors import DocQAError
from contract.messages import FailureCode, decode_result
from contract.runtime.terminal import echo
from contract.settings import QueueSettings, load
from contract.topology import JobName
from ops import dead_letters
from ops.console import silence_logs
from ops.dead_letters import Found, NotReplayableError
from ops.errors import TryLaterError
from ops.nats.admin import admin_bus
from ops.options import data_dir_option, environment_with, json_option

T = TypeVar("T")

_EXCERPT_CHARS: Final = 60
_AT_ONCE: Final = 100
"""The default limit of one command."""

reason_option = click.option(
    "--reason", type=click.Choice(get_args(FailureCode)), help="Only dead letters of this reason."
)
limit_option = click.option(
    "--limit", type=click.IntRange(1), default=_AT_ONCE, show_default=True, help="Most dead letters to process."
)
all_option = click.option("--all", "all_of_them", is_flag=True, help="All, oldest first, up to --limit.")
which_argument = click.argument("which", metavar="[NUMBER|JOB]...", nargs=-1)


@click.group("dead")
def command() -> None:
    """List jobs that could not be answered, and try them again.

    Each has a number (its sequence in DOCQA_DEAD); the newest of a job can also be named by the job's id.
    """


@command.command("list")
@reason_option
@limit_option
@data_dir_option
@json_option
def list_(reason: str | None, limit: int, data_dir: Path | None, as_json: bool) -> None:
    """List dead letters, newest last."""

    async def newest(bus: Bus) -> list[Found]:
        found: deque[Found] = deque(maxlen=limit)
        async for one in dead_letters.letters(bus, reason or "*"):
            found.append(one)
        return list(found)

    found = _run(data_dir, newest)
    if as_json:
        echo(json.dumps({"dead": [_described(one) for one in found]}))
    else:
        echo("\n".join(_line(one) for one in found) or "There are no dead letters.")


@command.command("show")
@click.argument("which", metavar="NUMBER|JOB")
@data_dir_option
@json_option
def show(which: str, data_dir: Path | None, as_json: bool) -> None:
    """Show one dead letter: the sanitized question, why it failed, and the state of its replay."""
    shown = _run(data_dir, lambda bus: _shown(bus, which))
    if as_json:
        echo(json.dumps(shown))
    else:
        echo(json.dumps(shown, indent=2, ensure_ascii=False))


@command.command("replay")
@which_argument
@all_option
@reason_option
@limit_option
@data_dir_option
@json_option
def replay(
    which: tuple[str, ...], all_of_them: bool, reason: str | None, limit: int, data_dir: Path | None, as_json: bool
) -> None:
    """Publish dead letters again, each as a job of its owner under a new id.

    They need free queue slots like any job: if the queue is full, the rest stays for the next time (exit status 75).
    Replaying the same letter twice gives one job.
    """
    _check_choice(which, all_of_them)
    done, error = _run(data_dir, lambda bus: _replayed(bus, which, reason, limit))
    if as_json:
        replayed = [{"seq": found.seq, **msgspec.structs.asdict(job)} for found, job in done]
        echo(json.dumps({"replayed": replayed, "stopped": str(error) if error else None}))
    else:
        lines = [f"{found.seq}  {job.publisher}.{job.client}  replayed as {job.job_id}" for found, job in done]
        echo("\n".join(lines) or ("Nothing was replayed." if error else "There is nothing to replay."))
    if error:
        raise error


@command.command("drop")
@which_argument
@all_option
@reason_option
@limit_option
@data_dir_option
@json_option
def drop(
    which: tuple[str, ...], all_of_them: bool, reason: str | None, limit: int, data_dir: Path | None, as_json: bool
) -> None:
    """Remove dead letters for good, including their text on disk. The failures of their jobs stay."""
    _check_choice(which, all_of_them)
    dropped = _run(data_dir, lambda bus: _dropped(bus, which, reason, limit))
    if as_json:
        echo(json.dumps({"dropped": dropped}))
    else:
        echo(f"Dropped: {', '.join(map(str, dropped))}" if dropped else "There is nothing to drop.")


def _run(data_dir: Path | None, work: Callable[[Bus], Awaitable[T]]) -> T:
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    settings = load(QueueSettings, environment)
    silence_logs()

    async def connected() -> T:
        async with admin_bus(environment, settings.data_dir) as bus:
            return await work(bus)

    return asyncio.run(connected())


def _check_choice(which: tuple[str, ...], all_of_them: bool) -> None:
    if bool(which) == all_of_them:
        raise click.UsageError("Name dead letters by number or job, or say --all.")


async def _chosen(bus: Bus, which: tuple[str, ...], reason: str | None, limit: int, *, fresh: bool) -> list[Found]:
    """The named dead letters, else the oldest; `fresh` leaves out those that were replayed or cannot be."""
    if which:
        return [await dead_letters.letter(bus, one) for one in dict.fromkeys(which)]
    chosen: list[Found] = []
    async for found in dead_letters.letters(bus, reason or "*"):
        if not (fresh and (found.replayed_as or found.blocker)):
            chosen.append(found)
        if len(chosen) == limit:
            break
    return chosen


async def _replayed(
    bus: Bus, which: tuple[str, ...], reason: str | None, limit: int
) -> tuple[list[tuple[Found, JobName]], DocQAError | None]:
    """What was replayed, and the error that stopped it, if any."""
    done: list[tuple[Found, JobName]] = []
    for found in await _chosen(bus, which, reason, limit, fresh=True):
        try:
            done.append((found, await dead_letters.replay(bus, found)))
        except (TryLaterError, NotReplayableError) as error:
            return done, error
    return done, None


async def _dropped(bus: Bus, which: tuple[str, ...], reason: str | None, limit: int) -> list[int]:
    chosen = await _chosen(bus, which, reason, limit, fresh=False)
    return [found.seq for found in chosen if await dead_letters.drop(bus, found)]


async def _shown(bus: Bus, which: str) -> dict[str, Any]:
    found = await dead_letters.letter(bus, which)
    shown = _described(found) | {"letter": msgspec.to_builtins(found.letter)}
    if found.replayed_as and found.job:
        shown["replay"] = await _status(bus, JobName(found.job.publisher, found.job.client, found.replayed_as))
    return shown


async def _status(bus: Bus, job: JobName) -> dict[str, Any]:
    if entry := await bus.results.get(job.key):
        result: dict[str, Any] = msgspec.to_builtins(decode_result(entry.value))
        return result
    return {"id": job.job_id, "status": "waiting or running" if await bus.find_job(job) else "gone"}


def _described(found: Found) -> dict[str, Any]:
    job = found.job
    return {
        "seq": found.seq,
        "time": _time(found),
        "reason": found.letter.reason,
        "detail": found.letter.detail,
        "attempts": found.letter.attempts,
        "publisher": job and job.publisher,
        "client": job and job.client,
        "job": job and job.job_id,
        "replayed_as": found.replayed_as,
        "replayable": not found.blocker,
    }


def _line(found: Found) -> str:
    name = found.job.key if found.job else repr(found.letter.subject)
    text = found.letter.query.query if found.letter.query else f"{found.letter.size_bytes} bytes that cannot be read"
    shown = " ".join(text[:_EXCERPT_CHARS].split())
    mark = f"  replayed as {found.replayed_as}" if found.replayed_as else ""
    return f"{found.seq:>6}  {_time(found)}  {found.letter.reason:<18}  {name}  {shown}{mark}"


def _time(found: Found) -> str:
    return datetime.fromtimestamp(found.time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
