"""What became of every query, from outside: what the client was told, held against what the store says in the end.

Two things are never allowed: LOST (accepted, and no result) and ANSWERED TWICE (two results, or a result for what was
refused). They come first wherever the ledger is shown.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from bench.harness.http_client import Connections, get
from bench.harness.query import Query
from contract import topology
from contract.bus import Bus
from contract.errors import BusError
from contract.messages import Result, decode_result
from contract.topology import JobName

ASK_AGAIN_S: Final = 0.2
GONE_AFTER_S: Final = 15.0
"""An accepted job that the store has not known for this long won't come back: no need to wait for the end."""
LOOKS_AT_ONCE: Final = 16
_LOOK_TIMEOUT_S: Final = 5.0


class Fate(StrEnum):
    """How a query ended."""

    LOST = "LOST"
    TWICE = "ANSWERED TWICE"
    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    DEAD = "dead-lettered"
    NEVER_TAKEN = "never taken"
    """No word came back, and the store does not know it: nothing was promised, nothing was done."""


FORBIDDEN: Final = (Fate.LOST, Fate.TWICE)


class Stored(msgspec.Struct, frozen=True):
    """What the store says of a job: `done`, `failed`, or that it is not over."""

    status: str
    answer: str | None = None
    code: str = ""
    dead_letter: bool = False

    @property
    def is_over(self) -> bool:
        return self.status in ("done", "failed")


class Store(Protocol):
    """Where results are looked up."""

    async def look(self, query: Query) -> Stored | None:
        """What is known of the query's job, None for nothing; raises Unanswered."""


class UnansweredError(Exception):
    """The store did not answer this time."""


class HttpStore:
    """GET /api/jobs/{id}: all that a user of a running stack can see."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self._connections = Connections(address)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def look(self, query: Query) -> Stored | None:
        request = get(f"/api/jobs/{query.job_id}", self._headers)
        try:
            response = await self._connections.exchange(request, _LOOK_TIMEOUT_S)
        except (OSError, EOFError, ValueError, TimeoutError):
            raise UnansweredError from None
        if response.status == 404:
            return None
        if response.status != 200:
            raise UnansweredError
        return msgspec.json.decode(response.body, type=Stored)


class BusStore:
    """The results bucket and the stream themselves, as the admin of a stack of one's own reads them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def look(self, query: Query) -> Stored | None:
        job = JobName(query.publisher, query.client, query.job_id)
        try:
            # It may end between two looks: a result that is there counts, whenever it is seen.
            for _ in range(2):
                if entry := await self._bus.results.get(job.key):
                    return _stored(decode_result(entry.value))
                if await self._bus.find_job(job):
                    return Stored("queued")
        except BusError:
            raise UnansweredError from None
        return None

    async def surplus_writes(self) -> int:
        """Writes to the results bucket beyond one a key, since it was made; raises BusError."""
        state = (await self._bus.js.stream_info(f"KV_{topology.RESULTS_BUCKET}")).state
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
        """Nothing lost and nothing twice."""
        return not self.surplus_writes and not any(self.counts[fate] for fate in FORBIDDEN)

    def summary(self) -> dict[str, Any]:
        """Counts by fate, the forbidden ones first and always there, with examples of what went wrong."""
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
    """Ask for every query until it is over, or `within_s` have passed; what is not over then and was accepted is lost.

    What was never heard of is asked for once more at the very end: a job may come late, but not after that.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    found: dict[int, Stored | None] = {}
    left = list(queries)
    everything = list(left)
    while left:
        await _look_at_all(left, store, found)
        seconds = loop.time() - began_s
        left = [query for query in left if not _is_settled(query, found, seconds)]
        if seconds > within_s:
            break
        await asyncio.sleep(ASK_AGAIN_S if left else 0)
    seconds = loop.time() - began_s
    await _look_at_all([query for query in everything if not found.get(query.number)], store, found)
    entries = [entry_of(query, found.get(query.number)) for query in everything]
    surplus = await store.surplus_writes() if isinstance(store, BusStore) else 0
    return Ledger(entries, surplus, seconds)


def entry_of(query: Query, stored: Stored | None) -> Entry:
    """The fate of one query, by what its client was told and what is stored."""
    if stored is None or not stored.is_over:
        return _without_result(query, stored)
    if not query.was_accepted and not query.was_uncertain:
        return Entry(query, Fate.TWICE, f"refused with {query.status}, and run all the same")
    if query.answer is not None and query.answer != stored.answer:
        return Entry(query, Fate.TWICE, "the client got another answer than the stored one")
    if stored.status == "done":
        return Entry(query, Fate.ANSWERED)
    return Entry(query, Fate.DEAD if stored.dead_letter else Fate.FAILED, stored.code)


def _without_result(query: Query, stored: Stored | None) -> Entry:
    if query.was_accepted:
        stands = stored.status if stored else "unknown to the store"
        return Entry(query, Fate.LOST, f"{query.door} said {query.status} at {query.ended_s:.2f} s, and it is {stands}")
    if stored:
        return Entry(query, Fate.LOST, f"no word came back, and it is still {stored.status}")
    return Entry(query, Fate.NEVER_TAKEN if query.was_uncertain else Fate.REFUSED, query.problem)


def _is_settled(query: Query, found: dict[int, Stored | None], seconds: float) -> bool:
    """Over, or unknown to the store: at once when it was never accepted, else after a while."""
    stored = found.get(query.number)
    if stored:
        return stored.is_over
    return query.number in found and (not query.was_accepted or seconds > GONE_AFTER_S)


async def _look_at_all(queries: list[Query], store: Store, found: dict[int, Stored | None]) -> None:
    left = iter(queries)

    async def looker() -> None:
        for query in left:
            try:
                found[query.number] = await store.look(query)
            except UnansweredError:
                await asyncio.sleep(ASK_AGAIN_S)

    await asyncio.gather(*(looker() for _ in range(LOOKS_AT_ONCE)))


def _stored(result: Result) -> Stored:
    return msgspec.convert(msgspec.to_builtins(result), Stored)
