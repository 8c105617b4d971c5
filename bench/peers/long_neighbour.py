"""How a long document affects answers in progress: the gaps between their tokens."""

import asyncio
import itertools
import time
from typing import Any, Final

import msgspec

from bench.harness.errors import BenchError
from bench.harness.latency import Latencies
from bench.harness.promises import Promise
from bench.harness.table import Table
from bench.peers import questions, spread
from bench.peers.contest import Terms, absences
from bench.peers.line_up import OURS
from bench.peers.questions import Reply, Task
from bench.peers.system import System

LONG_TOKENS: Final = 6000
QUICK_TOKENS: Final = 1500
NEIGHBOURS: Final = 4
ALONE_S: Final = 4.0
"""How long the neighbours run alone first, as the baseline."""
BAR_MS: Final = 1000.0
_TOPICS: Final = ("a goblin who keeps a library", "a ferry in the fog", "two clockmakers", "the last apple tree")
_KINDS: Final = ("alone_p99_ms", "gap_p50_ms", "gap_p99_ms", "gap_max_ms", "gaps", "long_tokens", "long_first_token_s")


class Gap(msgspec.Struct, frozen=True):
    """Between two pieces of one answer; `ended_s` on the clock of this process."""

    ended_s: float
    took_s: float


class LongNeighbour:
    """Four long answers, again and again, while the prompt of a fifth question is read."""

    name = "long-neighbour"

    async def measure(self, terms: Terms) -> dict[str, Any]:
        tokens = QUICK_TOKENS if terms.quick else LONG_TOKENS

        async def play(system: System, number: int) -> dict[str, Any]:
            document = questions.long_document(terms.articles, tokens, terms.rng(number))
            return await _beside(system, Task("What is this about?", document, 8))

        played = await terms.line_up.by_turns(self.name, [OURS], terms.rounds, play)
        rounds = played.rounds.get(OURS, [])
        found = {kind: spread.over(seen[kind] for seen in rounds) for kind in _KINDS} if rounds else None
        return {"ours": found, "left_out": played.left_out}

    def verdict(self, found: dict[str, Any]) -> list[Promise]:
        if not (ours := found["ours"]):
            return absences(self.name, found)
        p99, most = ours["gap_p99_ms"], ours["gap_max_ms"]
        words = f"p99 {spread.in_words(p99, '.0f')} ms, the longest {most['max']:.0f} ms."
        name = f"{self.name}: p99 of the neighbours' gaps at most 1 s"
        return [Promise(name, p99["median"] <= BAR_MS, words, is_bar=True)]

    def table(self, found: dict[str, Any]) -> Table:
        heads = (
            "system", "tokens of the long prompt", "its first token after, s", "neighbours' gaps: p50 ms", "p99 ms",
            "longest, ms", "p99 ms without it",
        )  # fmt: skip
        left_out = " ".join(f"{name} is left out: {why}" for name, why in found["left_out"].items())
        title = f"{self.name}: a long document beside {NEIGHBOURS} answers that are being made"
        return Table(title, heads, [_row(found["ours"])] if found["ours"] else [], left_out)


def _row(ours: dict[str, Any]) -> tuple[str, ...]:
    kinds = ("gap_p50_ms", "gap_p99_ms", "gap_max_ms", "alone_p99_ms")
    return (
        OURS,
        f"{ours['long_tokens']['median']:.0f}",
        spread.in_words(ours["long_first_token_s"], ".1f"),
        *(spread.in_words(ours[kind], ".0f") for kind in kinds),
    )


async def _beside(system: System, long: Task) -> dict[str, Any]:
    gaps, began_s = list[Gap](), time.monotonic()
    neighbours = [asyncio.ensure_future(_talk(system, number, gaps)) for number in range(NEIGHBOURS)]
    try:
        await asyncio.sleep(ALONE_S)
        sent_s = time.monotonic()
        reply = await system.stream(long)
        _must_have_answered(reply)
    finally:
        for neighbour in neighbours:
            neighbour.cancel()
        ended = await asyncio.gather(*neighbours, return_exceptions=True)
    for failed in (end for end in ended if isinstance(end, BenchError)):
        raise failed
    until_s = sent_s + reply.moments_s[0]
    alone = Latencies(gap.took_s for gap in gaps if began_s <= gap.ended_s < sent_s)
    # A gap that the long prompt caused may end a moment after its first token.
    beside = Latencies(gap.took_s for gap in gaps if gap.ended_s >= sent_s and gap.ended_s - gap.took_s <= until_s)
    if not beside.count:
        raise BenchError("the neighbours got no token while the long document was read.")
    return {
        "alone_p99_ms": alone.percentile_ms(99),
        "gap_p50_ms": beside.percentile_ms(50),
        "gap_p99_ms": beside.percentile_ms(99),
        "gap_max_ms": beside.percentile_ms(100),
        "gaps": beside.count,
        "long_tokens": reply.prompt_tokens,
        "long_first_token_s": reply.moments_s[0],
    }


async def _talk(system: System, number: int, gaps: list[Gap]) -> None:
    """One neighbour: one long answer after another. Gaps are between tokens of one answer, not between answers."""
    for turn in itertools.count():
        topic = _TOPICS[(number + turn) % len(_TOPICS)]
        last_s: float | None = None

        def on_piece(now_s: float) -> None:
            nonlocal last_s
            if last_s is not None:
                gaps.append(Gap(now_s, now_s - last_s))
            last_s = now_s

        story = Task(f"Write a long story about {topic}, part {number + NEIGHBOURS * turn + 1}.", "", 200)
        reply = await system.stream(story, on_piece)
        if reply.status != 200:
            raise BenchError(f"a neighbour's question got {reply.status or 'no answer'}.")


def _must_have_answered(reply: Reply) -> None:
    if reply.status != 200 or not reply.moments_s:
        raise BenchError(f"the long document's question got no token (status {reply.status}).")
