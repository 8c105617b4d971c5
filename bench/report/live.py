"""The live display: a table that is refreshed four times a second during a run, on a terminal only."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Final

from rich.live import Live
from rich.table import Table

from bench.harness.query import NO_RESPONSE
from bench.harness.run import Run
from contract.runtime.terminal import rich_console

_RATE_OVER_S: Final = 5.0


@contextlib.contextmanager
def showing(run: Run, *, quiet: bool) -> Iterator[None]:
    """Show the run on standard error for the time of a block."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    console = rich_console(stderr=True)
    with Live(get_renderable=lambda: _table(run), console=console, refresh_per_second=4, transient=True):
        yield


def _table(run: Run) -> Table:
    table = Table(box=None, pad_edge=False)
    figures = _figures(run)
    for name in figures:
        table.add_column(name, justify="right", style="bold" if name == "in flight" else None)
    table.add_row(*figures.values())
    return table


def _figures(run: Run) -> dict[str, str]:
    now_s = run.clock.now_s()
    depths = run.sampler.depths
    recent = sum(query.ended_s > now_s - _RATE_OVER_S for query in run.queries[-5000:])
    return {
        "elapsed": f"{now_s:.0f} s",
        "sent": str(len(run.queries)),
        "per second": f"{recent / min(_RATE_OVER_S, max(now_s, 0.1)):.1f}",
        "in flight": str(run.in_flight),
        "queue": f"{depths[-1].depth} of {depths[-1].capacity}" if depths else "-",
        "answered": str(sum(query.status == 200 for query in run.queries)),
        "refused": str(sum(len(query.refusals) for query in run.queries)),
        "no word": str(sum(query.status == NO_RESPONSE and query.ended_s > 0 for query in run.queries)),
        "done to it": run.marks[-1].what if run.marks else "nothing yet",
    }
