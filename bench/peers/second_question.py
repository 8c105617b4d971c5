"""The time to the first token of the second question on a document, relative to the first."""

import statistics
from typing import Any, Final

from bench.harness.errors import BenchError
from bench.harness.promises import Promise
from bench.harness.table import Table
from bench.peers import questions, spread
from bench.peers.contest import Terms, absences
from bench.peers.line_up import LLAMA_SERVER, OURS
from bench.peers.questions import Reply, Task
from bench.peers.system import System

MAX_TOKENS: Final = 16
DOCUMENTS: Final = 6
QUICK_DOCUMENTS: Final = 2
BAR: Final = 0.15


class SecondQuestion:
    """One question at a time, read as a stream; the document is new with the first question."""

    name = "second-question"

    async def measure(self, terms: Terms) -> dict[str, Any]:
        documents = QUICK_DOCUMENTS if terms.quick else DOCUMENTS

        async def play(system: System, number: int) -> dict[str, Any]:
            pairs = questions.pairs(terms.articles, documents, MAX_TOKENS, terms.rng(number))
            replies = [(await _streamed(system, first), await _streamed(system, second)) for first, second in pairs]
            return _round(replies)

        names = terms.line_up.among(LLAMA_SERVER)
        played = await terms.line_up.by_turns(self.name, names, terms.rounds, play)
        kinds = ("first_ms", "second_ms", "ratio")
        systems = {
            name: {kind: spread.over(seen[kind] for seen in rounds) for kind in kinds}
            for name, rounds in played.rounds.items()
        }
        return {"systems": systems, "left_out": played.left_out}

    def verdict(self, found: dict[str, Any]) -> list[Promise]:
        missed = absences(self.name, found)
        if OURS not in found["systems"]:
            return missed
        ratio = found["systems"][OURS]["ratio"]
        name = f"{self.name}: first token within {BAR:.0%} of the first question's"
        words = f"{spread.in_words(ratio, '.1%')}."
        return [*missed, Promise(name, ratio["median"] <= BAR, words, is_bar=True)]

    def table(self, found: dict[str, Any]) -> Table:
        heads = ("system", "first question: ms to the first token", "second question", "second ÷ first")
        rows = [
            (
                name,
                spread.in_words(row["first_ms"], ".0f"),
                spread.in_words(row["second_ms"], ".0f"),
                spread.in_words(row["ratio"], ".1%"),
            )
            for name, row in found["systems"].items()
        ]
        left_out = " ".join(f"{name} is left out: {why}" for name, why in found["left_out"].items())
        return Table(f"{self.name}: on a document already asked about, nothing else running", heads, rows, left_out)


async def _streamed(system: System, task: Task) -> Reply:
    reply = await system.stream(task)
    if reply.status != 200 or not reply.moments_s:
        raise BenchError(f"a question over the event stream got no token (status {reply.status}).")
    return reply


def _round(replies: list[tuple[Reply, Reply]]) -> dict[str, Any]:
    """Medians over the documents; the ratio is taken for each document first."""
    firsts, seconds = zip(*((first.moments_s[0], second.moments_s[0]) for first, second in replies), strict=True)
    return {
        "first_ms": statistics.median(firsts) * 1000,
        "second_ms": statistics.median(seconds) * 1000,
        "ratio": statistics.median(second / first for first, second in zip(firsts, seconds, strict=True)),
    }
