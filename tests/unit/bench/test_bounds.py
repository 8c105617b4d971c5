"""A run is bounded in time and in count."""

import asyncio
import time
from typing import cast

import pytest

from bench.harness.entry_points import HttpEntryPoint
from bench.harness.errors import BenchError
from bench.harness.ledger import HttpStore
from bench.harness.run import Run, RunOptions

NOBODY = "/nowhere"


def run_with(options: RunOptions) -> Run:
    return Run(options, [HttpEntryPoint(NOBODY, "bounds")], HttpStore(NOBODY), None, NOBODY)


def test_more_queries_than_allowed_are_refused_with_the_option_that_allows_more() -> None:
    run = run_with(RunOptions(max_queries=2))
    assert [run.new_query(number, 0.0).number for number in range(2)] == [0, 1]
    with pytest.raises(BenchError, match=r"^More than 2 queries: raise --max-queries\.$"):
        run.new_query(2, 0.0)


async def test_a_load_that_takes_longer_than_allowed_is_cut_off_and_its_query_is_uncertain() -> None:
    run = run_with(RunOptions(max_seconds=0.05))

    class Silent(HttpEntryPoint):
        async def ask(self, *arguments: object) -> None:
            await asyncio.sleep(60)

    run.entry_points = [cast(HttpEntryPoint, Silent(NOBODY, "bounds"))]
    began_s = time.monotonic()
    async with run.bounded():
        await run.send(0, 0.0)
    assert time.monotonic() - began_s < 30
    assert run.was_cut_short
    assert [query.was_uncertain for query in run.queries] == [True]
    assert run.marks[-1].what == "cut short"
