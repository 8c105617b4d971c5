"""The options that all benchmarks share, and how each ends: output, stored result, exit status."""

import asyncio
import functools
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import structlog
import uvloop

from bench.harness import promises
from bench.harness.errors import BenchError
from bench.harness.ledger import Ledger
from bench.harness.promises import Promise
from bench.harness.run import SETTLE_WITHIN_S, Run, RunOptions, prepared, result_of
from bench.report import terminal
from bench.report.live import showing
from bench.targets.stack import StackOptions
from contract.runtime.files import write_atomically
from contract.runtime.terminal import echo

QUICK_ACK_WAIT_S: Final = "2"
"""Ack wait in quick mode: a dead worker's job is delivered again after this, so that recovery takes seconds."""
QUICK_SETTLE_S: Final = 25.0
"""Time for the largest quick run to end; unfinished jobs then count as lost."""
_ENTRY_POINTS: Final = ("uds", "tcp", "bus", "uds-async", "tcp-async", "uds-events", "tcp-events", "openai")


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """The values of the shared options."""

    target: str | None
    token: str | None
    dataset: Path | None
    door: tuple[str, ...]
    out: Path | None
    as_json: bool
    quick: bool
    strict: bool
    max_seconds: float
    max_queries: int
    seed: int

    def run_options(self, *default_entry_points: str, max_tokens: int = 32) -> RunOptions:
        """The options of a run."""
        return RunOptions(
            target=self.target, token=self.token, dataset=self.dataset, max_tokens=max_tokens,
            entry_points=self.door or default_entry_points or ("uds",), max_seconds=self.max_seconds,
            max_queries=self.max_queries, seed=self.seed,
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Settings of a stack that the benchmark starts."""
        return {"DOCQA_ACK_WAIT_S": QUICK_ACK_WAIT_S} if self.quick else {}


_OPTIONS: Final = (
    click.option("--target", metavar="URL|SOCKET", help="A running system. [default: start one]"),
    click.option("--token", envvar="DOCQA_TOKEN", help="Bearer token of the running system."),
    click.option("--dataset", type=click.Path(path_type=Path), help="Questions in SQuAD format. [default: built-in]"),
    click.option(
        "--door", type=click.Choice(_ENTRY_POINTS), multiple=True, help="How queries enter; several alternate."
    ),
    click.option("--out", type=click.Path(path_type=Path), help="Folder for the result and the report."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text."),
    click.option("--quick", is_flag=True, help="A small run of less than a minute."),
    click.option("--strict", is_flag=True, help="Also check performance targets (bars), which need an idle machine."),
    click.option("--max-seconds", type=click.FloatRange(1), default=600.0, show_default=True, help="Time limit."),
    click.option(
        "--max-queries",
        type=click.IntRange(1),
        default=100_000,
        show_default=True,
        help="Limit on the number of queries.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of random arrivals and faults."),
)


def shared_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the shared options to a command, as one first argument."""

    @functools.wraps(function)
    def with_shared(**given: Any) -> None:
        shared = Shared(**{name: given.pop(name) for name in Shared.__struct_fields__})
        function(shared, **given)

    decorated: Callable[..., None] = with_shared
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


Load = Callable[[Run], Awaitable[dict[str, Any]]]
Verdict = Callable[[Run, Ledger, dict[str, Any]], list[Promise]]


async def drive(
    benchmark: str, shared: Shared, options: RunOptions, stack: StackOptions, load: Load, verdict: Verdict
) -> dict[str, Any]:
    """Prepare a system, put the load on it, wait until all jobs have ended, and check the promises."""
    if shared.out:
        stack = msgspec.structs.replace(stack, logs=shared.out / f"{benchmark}-logs")
    async with prepared(options, stack) as run:
        figures: dict[str, Any] = {}
        with showing(run, quiet=shared.as_json):
            async with run.bounded():
                figures.update(await load(run))
            found = await run.account(QUICK_SETTLE_S if shared.quick else SETTLE_WITHIN_S)
        return result_of(benchmark, run, found, verdict(run, found, figures), **figures)


def execute(shared: Shared, measuring: Awaitable[dict[str, Any]]) -> None:
    """Measure, print, store; exit with status 0 only if all promises held."""
    # Interruptions of the bus are part of a run, so log lines about them would only distract.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        result = uvloop.run(_awaited(measuring))
    except BenchError as error:
        raise click.ClickException(str(error)) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise click.Abort from None
    conclude(shared, result)


def conclude(shared: Shared, result: dict[str, Any]) -> None:
    """Print and store a result, and exit with its status."""
    result = {**result, "command": command_line(), "quick": shared.quick}
    stored = store(shared.out, result) if shared.out else []
    if shared.as_json:
        echo(json.dumps(result))
    else:
        terminal.result(result, stored)
    held = msgspec.convert(result["promises"], list[Promise])
    sys.exit(1 if promises.broken(held, strict=shared.strict) else 0)


def command_line() -> str:
    """The command that reproduces this result, without the options for its output."""
    words, kept = iter(sys.argv[1:]), ["docqa", "bench"]
    for word in words:
        if word == "--out":
            next(words, None)
        elif word != "--json" and not word.startswith("--out="):
            kept.append(word)
    return " ".join(kept)


def store(out: Path, result: dict[str, Any]) -> list[Path]:
    """Write the result and the report; returns the paths."""
    from bench.report.html import write_report

    path = out / f"{result['benchmark']}.json"
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(result, separators=(",", ":")).encode() + b"\n")
    return [path, *write_report(out, result)]


async def _awaited(measuring: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    if this := asyncio.current_task():
        # SIGTERM of a service manager or of `timeout` cleans up like Ctrl-C.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    try:
        return await measuring
    except BaseExceptionGroup as group:
        # A task group wraps the actual error; cancelled siblings are not errors.
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def delay_range(text: str) -> tuple[float, ...]:
    """`2` is one delay; `2..5` is four delays spread evenly over the range."""
    low, _, high = text.partition("..")
    try:
        first, last = float(low), float(high or low)
    except ValueError:
        raise click.BadParameter(f"{text} is neither SECONDS nor SECONDS..SECONDS.") from None
    if not 0 <= first <= last <= 600:
        raise click.BadParameter(f"{text}: expected 0 to 600 seconds, the smaller one first.")
    return (first,) if first == last else tuple(first + (last - first) * step / 3 for step in range(4))
