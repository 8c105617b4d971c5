"""`docqa bench hey`: the same load by the tool `hey` and by our closed loop, through the same entry point.

Both alternate against one stack: if they agree on refusals, our generator is credible where hey has no ledger.
"""

import asyncio
import csv
import shutil
import statistics
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

import click

from bench.cli import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.harness import arrivals
from bench.harness.errors import BenchError
from bench.harness.ledger import Ledger
from bench.harness.promises import Promise, bounded, nothing_lost, nothing_twice, slots_given_back
from bench.harness.run import Run
from bench.targets.stack import Stack, StackOptions

WITHIN: Final = 0.1
"""Ten percentage points: the programs differ in speed and retry at different moments."""
TIMEOUT_S: Final = 120
QUICK_TOTAL: Final = 300
_PROGRAM: Final = "hey"


@click.command("hey")
@click.option("-n", "total", type=click.IntRange(1), default=1000, show_default=True, help="Queries per program.")
@click.option("-c", "clients", type=click.IntRange(1), default=50, show_default=True, help="Clients per program.")
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Rounds of both programs, alternating."
)
@click.option("--queue-size", type=click.IntRange(1), default=10, show_default=True, help="For the stack.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="For the stack.")
@click.option("--delay", default="0", show_default=True, help="Seconds per job of the echo engine.")
@shared_options
def command(shared: Shared, total: int, clients: int, rounds: int, queue_size: int, slots: int, delay: str) -> None:
    """Compare our closed loop with `hey` (a Debian package)."""
    if shared.target or shared.door:
        raise click.UsageError("Both use TCP and a stack of their own: leave --target and --door out.")
    stack = StackOptions(
        delays_s=delay_range(delay), queue_size=queue_size, slots=slots, environment=shared.environment()
    )
    if shared.quick:
        total, rounds = min(total, QUICK_TOTAL), 1
    load = _load(total, clients, rounds)
    execute(shared, drive("hey", shared, shared.run_options("tcp"), stack, load, _verdict()))


def _load(total: int, clients: int, rounds: int) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        if run.stack is None:
            raise BenchError("hey needs a stack of its own.")
        theirs, ours = list[Counter[int]](), list[Counter[int]]()
        for _ in range(rounds):
            run.mark("hey")
            theirs.append(await _hey(run.stack, run.body(0), total, clients))
            await run.drained()
            run.mark("our loop")
            ours.append(await _loop(run, total, clients))
            await run.drained()
        return {
            "clients": clients,
            "each": total,
            "hey": _described(theirs),
            "ours": _described(ours),
            "apart_points": round(100 * abs(_share(theirs) - _share(ours)), 1),
        }

    return load


async def _loop(run: Run, total: int, clients: int) -> Counter[int]:
    first = len(run.queries)
    await arrivals.closed_loop(total, clients, run.send, run.clock, first=first)
    return Counter(query.status for query in run.queries[first:])


async def _hey(stack: Stack, body: bytes, total: int, clients: int) -> Counter[int]:
    """The statuses that hey saw. Raises BenchError."""
    program = shutil.which(_PROGRAM)
    if program is None:
        raise BenchError("hey is not installed: run `apt install hey`.")
    # hey sends the same number from each client: 1000 of 64 would be 960.
    total -= total % clients
    with tempfile.TemporaryDirectory() as folder:
        question = Path(folder) / "question.json"
        question.write_bytes(body)
        process = await asyncio.create_subprocess_exec(
            program, "-n", str(total), "-c", str(clients), "-m", "POST", "-T", "application/json",
            "-D", str(question), "-t", str(TIMEOUT_S), "-o", "csv", f"http://{stack.tcp}/api/query",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, errors = await process.communicate()
    if process.returncode:
        raise BenchError(f"hey failed: {errors.decode(errors='replace').strip()}")
    return statuses(out.decode(), total)


def statuses(output: str, total: int) -> Counter[int]:
    """Statuses from hey's CSV, one line per response; 0 counts broken requests, which it leaves out."""
    seen = Counter(int(row["status-code"]) for row in csv.DictReader(output.splitlines()))
    return seen + Counter({0: total - seen.total()})


def _share(rounds: list[Counter[int]]) -> float:
    return statistics.median(seen[429] / max(seen.total(), 1) for seen in rounds)


def _described(rounds: list[Counter[int]]) -> dict[str, Any]:
    return {
        "refused_share": round(_share(rounds), 4),
        "rounds": [{str(status): count for status, count in sorted(seen.items())} for seen in rounds],
    }


def _verdict() -> Verdict:
    """Without a check of refusal times, since two programs at full speed saturate the ingress."""

    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        return [
            nothing_lost(found), nothing_twice(found), *slots_given_back(run.slots_left),
            bounded(run.sampler.depths), *([_agree(figures), _whole(figures)] if "hey" in figures else []),
        ]  # fmt: skip

    return verdict


def _agree(figures: dict[str, Any]) -> Promise:
    theirs, ours = figures["hey"]["refused_share"], figures["ours"]["refused_share"]
    words = f"hey was refused {theirs:.1%} of its queries and our loop {ours:.1%}, in the median round."
    return Promise("hey and our loop agree on refusals", abs(theirs - ours) <= WITHIN, words, is_bar=True)


def _whole(figures: dict[str, Any]) -> Promise:
    """All responses are answers or refusals."""
    odd = {
        status: count
        for seen in figures["hey"]["rounds"] for status, count in seen.items() if status not in ("200", "429")
    }  # fmt: skip
    words = f"It also saw {odd}." if odd else "It saw answers and refusals, and nothing else."
    return Promise("hey is answered or refused", not odd, words)
