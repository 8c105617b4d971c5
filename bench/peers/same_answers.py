"""Whether answers with others in flight and shared prefixes equal those of a worker with a single slot."""

from typing import Any, Final

import msgspec

from bench.harness.errors import BenchError
from bench.harness.promises import Promise
from bench.harness.table import Table
from bench.peers import near_ties, questions
from bench.peers.contest import Terms
from bench.peers.line_up import OURS
from bench.peers.questions import Reply, Task
from contract.worker_tools import Pair

QUESTIONS: Final = 64
QUICK_QUESTIONS: Final = 6
EACH: Final = 4
MAX_TOKENS: Final = 32
BAR: Final = 0.95
NEAR_TIE_NATS: Final = 0.1
"""In log probability: steps that are split differently add floats in another order, which moves it by this much."""
_AROUND_CHARS: Final = 30


class SameAnswers:
    """Greedy answers to the same questions, eight in flight and one at a time."""

    name = "same-answers"

    async def measure(self, terms: Terms) -> dict[str, Any]:
        count = terms.questions or (QUICK_QUESTIONS if terms.quick else QUESTIONS)
        drawn = questions.questions(terms.articles, -(-count // EACH), EACH, MAX_TOKENS, terms.rng())
        tasks = _neighbours_apart(drawn)[:count]
        shuffled = terms.rng(1).sample(range(len(tasks)), len(tasks))
        together = await _answers(terms, [tasks[place] for place in shuffled], terms.line_up.slots)
        # Without the prefix cache, so that no question shares a document with an earlier one.
        alone = await _answers(terms, tasks, 1, DOCQA_SLOTS="1", DOCQA_PREFIX_CACHE_MB="0")
        put_back = dict(zip(shuffled, together, strict=True))
        pairs = [(task, put_back[place], one) for place, (task, one) in enumerate(zip(tasks, alone, strict=True))]
        parted = [pair for pair in pairs if pair[1].text != pair[2].text]
        closeness = await near_ties.measure(terms.line_up.model, [_as_pair(*pair) for pair in parted])
        return {
            "questions": len(tasks),
            "cached_tokens": {"together": _cached(together), "alone": _cached(alone)},
            "prompt_tokens": sum(reply.prompt_tokens for reply in alone),
            "different": [
                {**different(*pair), "fork": msgspec.to_builtins(fork)}
                for pair, fork in zip(parted, closeness, strict=True)
            ],
        }

    def verdict(self, found: dict[str, Any]) -> list[Promise]:
        share = 1 - len(found["different"]) / found["questions"]
        words = f"{share:.1%} of {found['questions']} answers are the same to the letter."
        return [
            Promise(f"{self.name}: at least {BAR:.0%}", share >= BAR, words, is_bar=True),
            *self._near_ties(found["different"]),
        ]

    def _near_ties(self, rows: list[dict[str, Any]]) -> list[Promise]:
        """Each difference must be a choice between two nearly equally likely tokens."""
        if not rows:
            return []
        gaps = [row["fork"]["behind_nats"] for row in rows]
        words = f"{sum(gap <= NEAR_TIE_NATS for gap in gaps)} of {len(gaps)} are within {NEAR_TIE_NATS:g} nats of the "
        words += f"likeliest token; the furthest is {max(gaps):.3f} behind it."
        held = max(gaps) <= NEAR_TIE_NATS
        return [Promise(f"{self.name}: each difference is a near-tie", held, words, is_bar=True)]

    def table(self, found: dict[str, Any]) -> Table:
        heads = ("question", "at token", "eight in flight, shared", "one at a time", "apart, nats")
        rows = [
            (
                row["question"], str(row["fork"]["common_tokens"]), f"…{row['together']}…", f"…{row['alone']}…",
                f"{row['fork']['gap_nats']:.3f}",
            )
            for row in found["different"]
        ]  # fmt: skip
        cached, tokens = found["cached_tokens"], found["prompt_tokens"]
        note = f"Of {tokens} prompt tokens {cached['together']} came from the cache, one at a time {cached['alone']}."
        same = found["questions"] - len(found["different"])
        return Table(f"{self.name}: {same} of {found['questions']}", heads, rows, note)


def different(task: Task, together: Reply, alone: Reply) -> dict[str, Any]:
    """The first difference of two answers, with the text around it."""
    both = zip(together.text, alone.text, strict=False)
    shorter = min(len(together.text), len(alone.text))
    at_char = next((place for place, (one, other) in enumerate(both) if one != other), shorter)
    around = slice(max(at_char - _AROUND_CHARS, 0), at_char + _AROUND_CHARS)
    return {
        "question": task.query, "at_char": at_char, "together": together.text[around], "alone": alone.text[around],
    }  # fmt: skip


def _as_pair(task: Task, together: Reply, alone: Reply) -> Pair:
    return Pair(query=task.query, context=task.context, first=together.text, second=alone.text)


async def _answers(terms: Terms, tasks: list[Task], in_flight: int, **environment: str) -> list[Reply]:
    async with terms.line_up.started(OURS, **environment) as system:
        replies = await system.ask_all(tasks, in_flight)
    if failed := [reply.status for reply in replies if reply.status != 200]:
        raise BenchError(f"{len(failed)} of {len(replies)} questions were not answered (the first: {failed[0]}).")
    return replies


def _neighbours_apart(tasks: list[Task]) -> list[Task]:
    """Alternate between documents, so that no question follows one about the same document."""
    turns = dict[str, int]()
    places = list[tuple[int, int]]()
    for task in tasks:
        turns[task.context] = turns.get(task.context, -1) + 1
        places.append((turns[task.context], len(places)))
    return [tasks[place] for _, place in sorted(places)]


def _cached(replies: list[Reply]) -> int:
    return sum(reply.cached_tokens for reply in replies)
