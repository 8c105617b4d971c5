"""One run: the measured system, the queries sent to it, samples taken meanwhile, the ledger at the end."""

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.harness import ledger, machine, promises, sampler, workload
from bench.harness.clock import Clock
from bench.harness.entry_points import BusEntryPoint, EntryPoint, HttpEntryPoint, OpenAIEntryPoint
from bench.harness.errors import BenchError
from bench.harness.latency import Latencies
from bench.harness.ledger import BusStore, Fate, HttpStore, Ledger, Store
from bench.harness.promises import Promise
from bench.harness.query import Query
from bench.harness.sampler import Sampler
from bench.targets.stack import Stack, StackOptions, running
from contract.bus import Bus

SETTLE_WITHIN_S: Final = 150.0
"""Above the longest deadline of a job: what has not ended by then never will."""
EMPTY_WITHIN_S: Final = 10.0
"""Several ack waits: a job whose ack was lost is delivered again, and acked then."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options that all benchmarks share."""

    target: str | None = None
    token: str | None = None
    dataset: Path | None = None
    max_tokens: int = 32
    entry_points: tuple[str, ...] = ("uds",)
    max_seconds: float = 600.0
    max_queries: int = 100_000
    seed: int = 0


class Mark(msgspec.Struct, frozen=True):
    """Something done to the system at a moment of the run."""

    at_s: float
    what: str


class Run:
    """The state of one run: sends queries and keeps all of them."""

    def __init__(
        self, options: RunOptions, entry_points: list[EntryPoint], store: Store, stack: Stack | None, address: str
    ) -> None:
        self.options = options
        self.stack = stack
        self.clock = Clock()
        self.rng = random.Random(options.seed)
        self.queries: list[Query] = []
        self.marks: list[Mark] = []
        self.in_flight = 0
        self.was_cut_short = False
        self.slots_left: int | None = None
        self.filler_writes = 0
        """Writes to the results bucket by faults, which the ledger must not count."""
        self.entry_points = entry_points
        self.sampler = Sampler(self.clock, address, options.token, stack.pids if stack else dict)
        self._store = store
        self._workload = workload.load(options.dataset, options.max_tokens)

    def mark(self, what: str) -> Mark:
        """Record what was just done to the system."""
        mark = Mark(round(self.clock.now_s(), 3), what)
        self.marks.append(mark)
        return mark

    def new_query(self, number: int, planned_s: float) -> Query:
        """The next query, alternating between the entry points."""
        if len(self.queries) >= self.options.max_queries:
            raise BenchError(f"More than {self.options.max_queries} queries: raise --max-queries.")
        query = self.entry_points[number % len(self.entry_points)].new(number, planned_s)
        self.queries.append(query)
        return query

    async def try_once(self, query: Query) -> None:
        """Send a query once."""
        self.in_flight += 1
        try:
            await self.entry_points[query.number % len(self.entry_points)].ask(
                query, self._workload.body(query.number), self.clock
            )
        except asyncio.CancelledError:
            # Cut off by the time limit: its outcome is unknown.
            query.was_uncertain, query.ended_s = True, self.clock.now_s()
            raise
        finally:
            self.in_flight -= 1

    async def send(self, number: int, planned_s: float) -> None:
        """Send one query, once."""
        await self.try_once(self.new_query(number, planned_s))

    async def send_patiently(self, number: int, planned_s: float, never_back: float = 0.0) -> None:
        """Send one query, and again after the `Retry-After` of each refusal; `never_back` of those refused do not."""
        query = self.new_query(number, planned_s)
        if stays_away(number, never_back):
            await self.try_once(query)
        else:
            await self.try_patiently(query)

    async def try_patiently(self, query: Query) -> None:
        """Send until the query is accepted, as long as refusals have a Retry-After."""
        await self.try_once(query)
        while query.status in (429, 503) and query.refusals:
            # With some jitter, so that clients that were refused together spread out.
            retry_after_s = query.refusals[-1].retry_after_s or 1
            await asyncio.sleep(retry_after_s + self.rng.uniform(0, 0.25 * retry_after_s))
            await self.try_once(query)

    @contextlib.asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """Sample during the block, and cut the load off at the time limit."""
        async with self.sampler.sampling():
            try:
                async with asyncio.timeout(self.options.max_seconds):
                    yield
            except TimeoutError:
                self.was_cut_short = True
                self.mark("cut short")

    def body(self, number: int) -> bytes:
        """The body of the query with this number."""
        return self._workload.body(number)

    async def drained(self) -> None:
        """Wait until nothing is queued or runs."""
        while (seen := await self.sampler.probe()) is None or seen.depth:
            await asyncio.sleep(0.1)

    async def slots_left_taken(self) -> int | None:
        """Queue slots that are still taken when all queries have ended; None if others use the system."""
        if self.stack is None:
            return None
        seen = None
        for _ in range(int(EMPTY_WITHIN_S / 0.2)):
            seen = await self.sampler.probe()
            if seen and seen.depth == 0:
                return 0
            await asyncio.sleep(0.2)
        return seen.depth if seen else None

    async def account(self, within_s: float) -> Ledger:
        """The fate of all queries."""
        async with self.sampler.sampling():
            found = await ledger.settle(self.queries, self._store, within_s)
            found.surplus_writes -= self.filler_writes
            self.slots_left = await self.slots_left_taken()
            return found


@contextlib.asynccontextmanager
async def prepared(options: RunOptions, stack_options: StackOptions) -> AsyncIterator[Run]:
    """A run against `--target`, or against a stack that it starts."""
    name = secrets.token_hex(6)
    if options.target:
        address = options.target.removeprefix("http://").rstrip("/")
        entry_points: list[EntryPoint] = [HttpEntryPoint(address, name, token=options.token)]
        yield Run(options, entry_points, HttpStore(address, options.token), None, address)
        return
    async with running(stack_options) as stack, stack.bus() as bus:
        entry_points = [_entry_point(kind, stack, bus, name, options) for kind in options.entry_points]
        yield Run(options, entry_points, BusStore(bus), stack, stack.uds)


def _entry_point(kind: str, stack: Stack, bus: Bus, name: str, options: RunOptions) -> EntryPoint:
    if kind == "bus":
        return BusEntryPoint(bus)
    if kind == "openai":
        return OpenAIEntryPoint(stack.tcp, name, token=options.token)
    address = stack.tcp if kind.startswith("tcp") else stack.uds
    return HttpEntryPoint(
        address, name, token=options.token, events=kind.endswith("events"), waits=not kind.endswith("async")
    )


def result_of(benchmark: str, run: Run, found: Ledger, verdict: list[Promise], **figures: Any) -> dict[str, Any]:
    """The stored result of a run: the verdict first, the machine last."""
    answered = [entry.query for entry in found.entries if entry.fate is Fate.ANSWERED]
    waited = [query for query in answered if query.status == 200]
    refusals = [refusal for query in run.queries for refusal in query.refusals]
    first = [query.first_token_s for query in answered if query.first_token_s is not None]
    elapsed_s = max((query.ended_s for query in run.queries), default=0.0)
    return {
        "benchmark": benchmark,
        "measured": run.clock.started_at,
        "promises": [msgspec.to_builtins(promise) for promise in verdict],
        "ledger": found.summary(),
        "figures": {
            **figures,
            "elapsed_s": round(elapsed_s, 2),
            "sent_per_s": round(len(run.queries) / elapsed_s, 2) if elapsed_s else 0,
            "answered_per_s": round(len(waited) / elapsed_s, 2) if elapsed_s else 0,
            "tokens_per_s": round(sum(query.tokens for query in waited) / elapsed_s, 1) if elapsed_s else 0,
            "tries": sum(query.tries for query in run.queries),
            "was_cut_short": run.was_cut_short,
        },
        "latency": Latencies(query.latency_s for query in waited).summary(),
        "latency_histogram": Latencies(query.latency_s for query in waited).encoded(),
        "first_token": Latencies(first).summary() if first else None,
        "refusals": Latencies(refusal.took_s for refusal in refusals).summary(),
        "retry_after": promises.retry_after(run.queries, run.sampler.depths),
        "marks": [msgspec.to_builtins(mark) for mark in run.marks],
        "timeline": sampler.of(run.queries, run.sampler),
        "machine": machine.describe(),
    }


def usual_verdict(run: Run, found: Ledger, job_s: float) -> list[Promise]:
    """The promises that hold in every benchmark."""
    refusals = [refusal for query in run.queries for refusal in query.refusals if refusal.status == 429]
    return [
        promises.nothing_lost(found),
        promises.nothing_twice(found),
        *promises.slots_given_back(run.slots_left),
        promises.bounded(run.sampler.depths),
        *promises.says_when(run.queries),
        *promises.refused_at_once(refusals, job_s),
    ]


Command = Callable[[Run], Awaitable[dict[str, Any]]]


def stays_away(number: int, never_back: float) -> bool:
    """Whether the client with this number never comes back once it was refused: the same clients in every run."""
    return (number * 0.618034) % 1 < never_back
