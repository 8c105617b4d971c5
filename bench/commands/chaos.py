"""`docqa bench chaos`: faults of many kinds under load, then the ledger, with the recovery time of each kind."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, cast

import click
import msgspec

from bench.cli import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.harness import arrivals, bus_faults, faults, group_faults, library_faults, worker_faults
from bench.harness.errors import BenchError
from bench.harness.faults import Fault, NeverBackError
from bench.harness.ledger import Ledger
from bench.harness.library_faults import Brought
from bench.harness.promises import (
    Promise,
    bounded,
    nothing_breaks_inside,
    nothing_lost,
    nothing_twice,
    slots_given_back,
)
from bench.harness.query import Query
from bench.harness.run import Mark, Run
from bench.peers.system import bundled_model
from bench.targets.processes import folder
from bench.targets.stack import Stack, StackOptions
from contract.documents import LIBRARY_FOLDER
from contract.runtime.terminal import echo

PAUSE_BETWEEN_S: Final = (0.3, 2.0)
QUICK_FAULTS: Final = 8
ENTRY_POINTS: Final = ("uds", "uds-async", "tcp", "bus")
RECOVERED_WITHIN_S: Final = 30.0


@click.command("chaos")
@click.option(
    "--faults", "count", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Number of faults."
)
@click.option("--rate", type=click.FloatRange(0.1), default=15.0, show_default=True, help="Arrivals per second.")
@click.option("--queue-size", type=click.IntRange(1), default=50, show_default=True)
@click.option("--slots", type=click.IntRange(1), default=4, show_default=True)
@click.option("--delay", default="0.1", show_default=True, help="Seconds per job.")
@click.option("--kind", "wanted", multiple=True, help="Only faults whose name contains this, such as `disk` or `kill`.")
@click.option("--engine", type=click.Choice(["echo", "llama"]), default="echo", show_default=True)
@click.option("--apart", is_flag=True, help="Wait for an answer after each fault before the next.")
@shared_options
def command(
    shared: Shared, count: int, rate: float, queue_size: int, slots: int, delay: str, wanted: tuple[str, ...],
    engine: Any, apart: bool,
) -> None:  # fmt: skip
    """Inject faults under load, then check the ledger."""
    if shared.target:
        raise click.UsageError("chaos kills parts of the system, so it needs a stack of its own: leave --target out.")
    count = min(count, QUICK_FAULTS) if shared.quick else count
    environment = {"DOCQA_ACK_WAIT_S": "2", "DOCQA_SYNC_WAIT_S": "20", **_small_store()}
    delays_s = delay_range(delay) if engine == "echo" else (0.0,)
    stack = StackOptions(engine=engine, delays_s=delays_s, queue_size=queue_size, slots=slots, environment=environment)
    execute(shared, _measure(shared, stack, count, rate, wanted, apart))


async def _measure(
    shared: Shared, stack: StackOptions, count: int, rate: float, wanted: tuple[str, ...], apart: bool
) -> dict[str, Any]:
    async with _disk() as (disk, skipped), _library_disk(disk) as of_library, _model(stack) as model:
        kinds = [*faults.usual(), *library_faults.usual(), *_by_operators(), *_in_a_group()]
        kinds += [faults.full_disk(disk)] if disk else []
        kinds += [library_faults.full_disk(of_library)] if of_library else []
        if model:
            kinds.append(worker_faults.replaced_model(model))
            models = {"MODEL_PATH": str(model.parent), "MODEL_NAME": model.name, "MODEL_QUANTIZATION": "as-is"}
            stack = msgspec.structs.replace(stack, environment={**stack.environment, **models})
        kinds = [fault for fault in kinds if not wanted or any(word in fault.kind for word in wanted)]
        if not kinds:
            raise BenchError(f"No fault has a name with {' or '.join(wanted)}.")
        if disk:
            stack = msgspec.structs.replace(stack, bus_folder=disk / "data")
        brought: list[Brought] = []
        load = _load(kinds, count, rate, skipped, apart, brought)
        return await drive(
            "chaos-apart" if apart else "chaos",
            shared,
            shared.run_options(*ENTRY_POINTS),
            stack,
            load,
            _verdict(count, brought),
        )


def _by_operators() -> list[Fault]:
    """Mistakes in a configuration, a bucket without room and, if the means for it are installed, a wrong clock."""
    library = worker_faults.faketime()
    if library is None:
        echo("no wrong clock: `apt install faketime` brings it", err=True)
    skewed = [worker_faults.skewed_clock(library)] if library else []
    return [*(bus_faults.wrong_password(role) for role in ("worker", "ingress")), bus_faults.full_results(), *skewed]


def _in_a_group() -> list[Fault]:
    if reason := group_faults.why_no_group():
        echo(reason, err=True)
        return []
    return [group_faults.memory_limit()]


@contextlib.asynccontextmanager
async def _library_disk(disk: Path | None) -> AsyncIterator[Path | None]:
    """The library's folder on a disk of its own, which may be filled; None where there can be none."""
    reason = library_faults.why_no_disk() if disk else "no full disk of library: it needs the small disk"
    if reason or disk is None:
        echo(reason, err=True)
        yield None
        return
    of_library = disk / "data" / LIBRARY_FOLDER
    async with folder() as work, library_faults.disk(work / "library.img", of_library):
        yield of_library


@contextlib.asynccontextmanager
async def _model(stack: StackOptions) -> AsyncIterator[Path | None]:
    """A copy of the bundled model that may be overwritten; None for the echo engine."""
    if stack.engine == "echo":
        yield None
        return
    async with folder() as work:
        model = work / "model.gguf"
        shutil.copyfile(bundled_model(), model)
        yield model


@contextlib.asynccontextmanager
async def _disk() -> AsyncIterator[tuple[Path | None, str | None]]:
    """A small disk, or the reason why there is none."""
    skipped = faults.why_no_small_disk()
    async with contextlib.AsyncExitStack() as disks:
        folder = None
        if not skipped:
            try:
                folder = await disks.enter_async_context(faults.small_disk())
            except BenchError as error:
                skipped = f"no full disk: {error}"
        if skipped:
            echo(skipped, err=True)
        yield folder, skipped


def _load(
    kinds: list[Fault], count: int, rate: float, skipped: str | None, apart: bool, brought: list[Brought]
) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        if run.stack is None:
            raise BenchError("chaos needs a stack of its own.")
        loading = asyncio.create_task(arrivals.open_loop(arrivals.evenly(rate, 10**6), run.send, run.clock))
        try:
            async with library_faults.documents_come_in(run, run.stack, brought):
                await asyncio.sleep(1)
                never_back = await _strike(run, _drawn(run, kinds, count), apart, brought)
                await _recovered(run, brought)
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
        return {"faults": len(run.marks), "apart": apart, "skipped": skipped, "never_back": never_back}

    return load


async def _recovered(run: Run, brought: list[Brought]) -> None:
    """Wait until what was sent after the last fault is answered and read, or the time for it is over."""
    last_s = run.marks[-1].at_s
    await library_faults.recovered(brought, last_s, RECOVERED_WITHIN_S)
    until_s = run.clock.now_s() + RECOVERED_WITHIN_S
    while _answered_after_s(run.queries, last_s) is None and run.clock.now_s() < until_s:
        await asyncio.sleep(0.2)


async def _strike(run: Run, drawn: list[Fault], apart: bool, brought: list[Brought]) -> str | None:
    """Inject all faults; returns the name of a part that did not recover, which ends the run."""
    for fault in drawn:
        try:
            await fault.strike(run, cast(Stack, run.stack))
        except NeverBackError as error:
            return str(error)
        if apart:
            await _recovered(run, brought)
        await asyncio.sleep(run.rng.uniform(*PAUSE_BETWEEN_S))
    return None


def _drawn(run: Run, kinds: list[Fault], count: int) -> list[Fault]:
    """Each kind equally often, in an order that the seed decides."""
    drawn = [kinds[number % len(kinds)] for number in range(count)]
    run.rng.shuffle(drawn)
    return drawn


def _verdict(count: int, brought: list[Brought]) -> Verdict:
    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        figures["recovery_s"] = recovery = _recovery(run, brought)
        figures["documents"] = _documents(brought)
        done = len(run.marks) >= count
        silent = [mark.what for mark in run.marks if _back_after_s(run, brought, mark) is None]
        worst = max((kind["max"] for kind in recovery.values()), default=0.0)
        words = f"No answer after: {', '.join(silent)}." if silent else f"At the latest after {worst} s."
        return [
            nothing_lost(found),
            nothing_twice(found),
            *slots_given_back(run.slots_left),
            bounded(run.sampler.depths),
            nothing_breaks_inside(run.queries),
            Promise("Every part comes back, whatever happens", done, _come_back(run, count, figures.get("never_back"))),
            Promise("It answers again after each", not silent, words),
            _every_document_is_read(brought),
        ]

    return verdict


def _come_back(run: Run, count: int, never_back: str | None) -> str:
    if never_back:
        return f"{never_back} did not come back from: {run.marks[-1].what} ({len(run.marks)} of {count} faults)."
    return f"{len(run.marks)} of {count} faults were made."


def _every_document_is_read(brought: list[Brought]) -> Promise:
    unread = [one for one in brought if one.state != "ready"]
    words = f"{len(brought)} documents, {len(unread)} of them not read."
    return Promise("Every accepted document is read", not unread, words)


def _documents(brought: list[Brought]) -> dict[str, int]:
    return {"sent": len(brought), "ready": sum(one.state == "ready" for one in brought)}


def _back_after_s(run: Run, brought: list[Brought], mark: Mark) -> float | None:
    """Of the library's faults: until a document is read; of all others: until a query is answered."""
    if mark.what.endswith(("library", "reader")):
        return library_faults.recovery_s(brought, mark.at_s)
    return _answered_after_s(run.queries, mark.at_s)


def _recovery(run: Run, brought: list[Brought]) -> dict[str, dict[str, float]]:
    """Per kind of fault: seconds from the fault until what was sent after it was answered, or read."""
    kinds: dict[str, list[float]] = {}
    for mark in run.marks:
        if (after_s := _back_after_s(run, brought, mark)) is not None:
            kinds.setdefault(mark.what, []).append(after_s)
    return {
        kind: {
            "count": len(times),
            "median": round(sorted(times)[len(times) // 2], 2),
            "max": round(max(times), 2),
        }
        for kind, times in sorted(kinds.items())
    }


def _answered_after_s(queries: list[Query], at_s: float) -> float | None:
    ends = [query.ended_s - at_s for query in queries if query.sent_s > at_s and query.status == 200]
    return min(ends, default=None)


def _small_store() -> dict[str, str]:
    """Limits of the buckets that fit the small disk."""
    return {"DOCQA_RESULTS_MAX_BYTES": str(32 * 2**20), "DOCQA_DEAD_MAX_BYTES": str(4 * 2**20)}
