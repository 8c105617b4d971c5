"""The fate of every query, from outside: the response to the client, compared with what is stored in the end.

Two fates are forbidden: LOST (accepted, but no result) and ANSWERED TWICE (two results, or a result for a refused
query). They are shown first everywhere.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from bench.harness.http_client import Connections, get
from bench.harness.query import ENDED, Query
from contract import topology
from contract.bus import Bus, api
from contract.errors import BusError
from contract.messages import Result, decode_result
from contract.topology import JobName

RETRY_AFTER_S: Final = 0.2
GONE_AFTER_S: Final = 15.0
"""An accepted job that the store does not know for this long will not appear: no need to wait longer."""
LOOKUPS_AT_ONCE: Final = 16
_LOOKUP_TIMEOUT_S: Final = 5.0


class Fate(StrEnum):
    """How a query ended."""

    LOST = "LOST"
    TWICE = "ANSWERED TWICE"
    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    DEAD = "dead-lettered"
    NEVER_TAKEN = "never taken"
    """No response came, and the store does not know it: nothing was promised, nothing was done."""


FORBIDDEN: Final = (Fate.LOST, Fate.TWICE)


class Stored(msgspec.Struct, frozen=True):
    """The stored state of a job: `done`, `failed`, or unfinished."""

    status: str
    answer: str | None = None
    code: str = ""
    dead_letter: bool = False

    @property
    def is_over(self) -> bool:
        return self.status in ("done", "failed")


class Store(Protocol):
    """Where results are looked up."""

    async def look_up(self, query: Query) -> Stored | None:
        """The state of the query's job; None if it is unknown. Raises UnansweredError."""


class UnansweredError(Exception):
    """The store did not answer this time."""


class HttpStore:
    """GET /api/jobs/{id}: what a user of a running system can see."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self._connections = Connections(address)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def look_up(self, query: Query) -> Stored | None:
        request = get(f"/api/jobs/{query.job_id}", self._headers)
        try:
            response = await self._connections.exchange(request, _LOOKUP_TIMEOUT_S)
        except (OSError, EOFError, ValueError, TimeoutError):
            raise UnansweredError from None
        if response.status == 404:
            return None
        if response.status != 200:
            raise UnansweredError
        return msgspec.json.decode(response.body, type=Stored)


class BusStore:
    """The results bucket and the stream, read as the admin of a stack that the benchmark started."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def look_up(self, query: Query) -> Stored | None:
        job = JobName(query.publisher, query.client, query.job_id)
        try:
            # The job may end between the two lookups: a stored result counts whenever it is seen.
            for _ in range(2):
                if entry := await self._bus.results.get(job.key):
                    return _stored(decode_result(entry.value))
                if await self._bus.find_job(job):
                    return Stored("queued")
        except BusError:
            raise UnansweredError from None
        return None

    async def missing_writes(self) -> int:
        """Writes to the results bucket that are not in it any more: written over, or removed; raises BusError."""
        return await self._missing(api.bucket_stream(topology.RESULTS_BUCKET))

    async def removed(self) -> int:
        """How many results were removed after they were read, at most: a reading may be reported twice."""
        return await self._missing(topology.READ_STREAM)

    async def _missing(self, stream: str) -> int:
        state = (await self._bus.js.stream_info(stream)).state
        return state.last_seq - state.messages


class Entry(msgspec.Struct, frozen=True):
    """One query's fate, and why."""

    query: Query
    fate: Fate
    why: str = ""


class Ledger:
    """All queries of a run and their fates."""

    def __init__(self, entries: list[Entry], surplus_writes: int = 0, seconds: float = 0.0) -> None:
        self.entries = entries
        self.surplus_writes = surplus_writes
        self.settled_after_s = seconds

    @property
    def counts(self) -> Counter[Fate]:
        return Counter(entry.fate for entry in self.entries)

    @property
    def is_clean(self) -> bool:
        """True if no query was lost or answered twice."""
        return not self.surplus_writes and not any(self.counts[fate] for fate in FORBIDDEN)

    def summary(self) -> dict[str, Any]:
        """Counts by fate, the forbidden ones first and always included, with examples."""
        counts = self.counts
        wrong = [entry for entry in self.entries if entry.fate in FORBIDDEN]
        return {
            "sent": len(self.entries),
            "fates": {fate.value: counts[fate] for fate in Fate if fate in FORBIDDEN or counts[fate]},
            "surplus_writes": self.surplus_writes,
            "settled_after_s": round(self.settled_after_s, 2),
            "wrong": [{"job": entry.query.name, "fate": entry.fate.value, "why": entry.why} for entry in wrong[:20]],
            "failures": dict(Counter(entry.why for entry in self.entries if entry.fate in (Fate.FAILED, Fate.DEAD))),
        }


async def settle(queries: Iterable[Query], store: Store, within_s: float) -> Ledger:
    """Look up all queries until each has ended or `within_s` have passed; accepted ones without a result are then lost.

    Unknown queries are looked up once more at the end, since a job may arrive late.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    found: dict[int, Stored | None] = {}
    left = list(queries)
    everything = list(left)
    while left:
        await _look_up_all(left, store, found)
        seconds = loop.time() - began_s
        left = [query for query in left if not _is_settled(query, found, seconds)]
        if seconds > within_s:
            break
        await asyncio.sleep(RETRY_AFTER_S if left else 0)
    seconds = loop.time() - began_s
    await _look_up_all([query for query in everything if not found.get(query.number)], store, found)
    gone, surplus = await _removed_and_surplus(everything, found, store)
    entries = [
        _of_removed(query) if query.number in gone else entry_of(query, found.get(query.number)) for query in everything
    ]
    return Ledger(entries, surplus, seconds)


async def _removed_and_surplus(
    queries: list[Query], found: dict[int, Stored | None], store: Store
) -> tuple[set[int], int]:
    """The numbers of queries whose results were removed after their clients read them, and the writes too many.

    Workers remove results an hour after they were read. No more count as removed than were: others are lost.
    """
    if not isinstance(store, BusStore):
        return set(), 0
    gone = {query.number for query in queries if not found.get(query.number) and _was_read(query)}
    if len(gone) > await store.removed():
        gone = set()
    return gone, await store.missing_writes() - len(gone)


def _was_read(query: Query) -> bool:
    return query.was_accepted and (query.answer is not None or query.problem in ENDED)


def _of_removed(query: Query) -> Entry:
    return Entry(query, Fate.ANSWERED) if query.answer is not None else Entry(query, Fate.FAILED, query.problem)


def entry_of(query: Query, stored: Stored | None) -> Entry:
    """The fate of one query, from the response to its client and the stored result."""
    if stored is None or not stored.is_over:
        return _without_result(query, stored)
    if not query.was_accepted and not query.was_uncertain:
        return Entry(query, Fate.TWICE, f"refused with {query.status}, but run")
    if query.answer is not None and query.answer != stored.answer:
        return Entry(query, Fate.TWICE, "the client's answer differs from the stored one")
    if stored.status == "done":
        return Entry(query, Fate.ANSWERED)
    return Entry(query, Fate.DEAD if stored.dead_letter else Fate.FAILED, stored.code)


def _without_result(query: Query, stored: Stored | None) -> Entry:
    if query.was_accepted:
        state = stored.status if stored else "unknown to the store"
        why = f"{query.entry_point} answered {query.status} at {query.ended_s:.2f} s, and the job is {state}"
        return Entry(query, Fate.LOST, why)
    if stored:
        return Entry(query, Fate.LOST, f"no response came, and the job is still {stored.status}")
    return Entry(query, Fate.NEVER_TAKEN if query.was_uncertain else Fate.REFUSED, query.problem)


def _is_settled(query: Query, found: dict[int, Stored | None], seconds: float) -> bool:
    """Ended, or unknown to the store: at once if it was never accepted, else after a while."""
    stored = found.get(query.number)
    if stored:
        return stored.is_over
    return query.number in found and (not query.was_accepted or seconds > GONE_AFTER_S)


async def _look_up_all(queries: list[Query], store: Store, found: dict[int, Stored | None]) -> None:
    left = iter(queries)

    async def look_up() -> None:
        for query in left:
            try:
                found[query.number] = await store.look_up(query)
            except UnansweredError:
                await asyncio.sleep(RETRY_AFTER_S)

    await asyncio.gather(*(look_up() for _ in range(LOOKUPS_AT_ONCE)))


def _stored(result: Result) -> Stored:
    return msgspec.convert(msgspec.to_builtins(result), Stored)
