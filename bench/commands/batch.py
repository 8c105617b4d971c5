"""`docqa bench batch`: rows of a table asked by `docqa batch`, which is killed, as each part of the system is."""

import asyncio
import csv
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import psutil

from bench.cli import Shared, execute, shared_options
from bench.harness import machine
from bench.harness.errors import BenchError
from bench.harness.promises import Promise
from bench.targets.processes import folder
from bench.targets.stack import Stack, StackOptions, running

DOCUMENTS: Final = 40
STACK: Final = StackOptions(engine="echo", delays_s=(0.05,), queue_size=20, slots=4)
PARTS: Final = ("ingress", "worker", "nats", "library")
_BATCH_ENDS: Final = (signal.SIGKILL, signal.SIGINT, signal.SIGKILL)
_POLLS_EVERY_S: Final = 0.2
_PART_IS_BACK_WITHIN_S: Final = 120.0


@click.command("batch")
@click.option("--rows", type=click.IntRange(20), default=10_000, show_default=True, help="Rows of the table.")
@shared_options
def command(shared: Shared, rows: int) -> None:
    """Ask a table's rows under kills of `docqa batch` and of every part: each row is answered exactly once."""
    if shared.target:
        raise click.UsageError("This benchmark kills parts of its own stack: leave out --target.")
    execute(shared, _measure(shared, min(rows, 300) if shared.quick else rows))


async def _measure(shared: Shared, rows: int) -> dict[str, Any]:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    options = msgspec.structs.replace(STACK, environment=shared.environment())
    async with folder() as work, running(options) as stack:
        batch = _Batch(stack, work, rows)
        started_s = time.monotonic()
        await batch.run_under_kills()
        took_s = time.monotonic() - started_s
        found = await _found(stack, batch.out)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "rows": rows,
        "took_s": round(took_s, 1),
        "rows_per_s": round(rows / took_s, 1),
        "batch_cpu_s": round(batch.cpu_s, 1),
        "batch_peak_mib": round(batch.peak_mib, 1),
        "children_cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "kills_of_the_batch": len(_BATCH_ENDS),
        "kills_of_parts": len(PARTS),
        **found,
    }
    return {
        "benchmark": "batch",
        "measured": began,
        "promises": msgspec.to_builtins([_each_once(figures)]),
        "figures": figures,
        "machine": machine.describe(),
    }


def _each_once(figures: dict[str, Any]) -> Promise:
    counts = (figures["answered_rows"], figures["results"], figures["results_of_rows"])
    words = f"{counts[0]} of {figures['rows']} rows answered; {counts[1]} results stored, {counts[2]} of them theirs."
    return Promise("Each row is answered exactly once", counts == (figures["rows"],) * 3, words)


async def _found(stack: Stack, out: Path) -> dict[str, int]:
    answers = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    async with stack.bus() as bus:
        stored = {key.rpartition(".")[2] for key in await bus.results.keys()}
    right = [row for row in answers if row["status"] == "done" and row["answer"].startswith(row["question"])]
    return {
        "answered_rows": len(right),
        "results": len(stored),
        "results_of_rows": len(stored & {row["id"] for row in right}),
    }


class _Batch:
    """The command, run again after each of its ends."""

    def __init__(self, stack: Stack, work: Path, rows: int) -> None:
        self._stack = stack
        self._rows = rows
        self._table = _table(work, rows)
        self._journal = work / "answers.jsonl.journal"
        self.out = work / "answers.jsonl"
        self.peak_mib = self.cpu_s = 0.0

    async def run_under_kills(self) -> None:
        """Killed after each fifth of its journal; in the last run each part of the system is killed once."""
        for number, how in enumerate(_BATCH_ENDS, 1):
            wanted = 2 * self._rows * number // 5
            await self._run(lambda wanted=wanted: self._lines() >= wanted, how)  # type: ignore[misc]
        killing = asyncio.create_task(self._kill_parts())
        code = await self._run(lambda: False, signal.SIGKILL)
        await killing
        if code:
            raise BenchError(f"docqa batch ended with status {code}.")

    def _lines(self) -> int:
        return self._journal.read_bytes().count(b"\n") if self._journal.exists() else 0

    async def _run(self, is_time: Callable[[], bool], how: signal.Signals) -> int:
        """The exit status of one run, which gets the signal once it is time."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops", "batch", "run", str(self._table), "--document-column", "lease"),
            *("--out", str(self.out), "--target", self._stack.uds, "--style", "write", "--json"),
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ},
        )
        cpu_s = 0.0
        watched = psutil.Process(process.pid)
        ending = asyncio.create_task(process.wait())
        while not ending.done():
            await asyncio.wait([ending], timeout=_POLLS_EVERY_S)
            try:
                self.peak_mib = max(self.peak_mib, watched.memory_info().rss / 2**20)
                cpu_s = sum(watched.cpu_times()[:2])
            except psutil.Error:
                continue
            if not ending.done() and is_time():
                process.send_signal(how)
                await ending
        self.cpu_s += cpu_s
        return await ending

    async def _kill_parts(self) -> None:
        for part in PARTS:
            killed = self._stack.pids()[part]
            os.kill(killed, signal.SIGKILL)
            async with asyncio.timeout(_PART_IS_BACK_WITHIN_S):
                while self._stack.pids().get(part, killed) == killed:
                    await asyncio.sleep(_POLLS_EVERY_S)
            await asyncio.sleep(1)


def _table(work: Path, rows: int) -> Path:
    path = work / "questions.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "lease"])
        leases = (f"Lease of house {number % DOCUMENTS}." for number in range(rows))
        writer.writerows([f"Question number {number}?", lease] for number, lease in enumerate(leases))
    return path
