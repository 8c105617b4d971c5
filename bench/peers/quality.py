"""Quality of the answers: the same questions and prompts, compared in pairs, with a confidence interval.

The interval is Agresti and Min's for matched pairs ("Simple improved confidence intervals for comparing matched
proportions", Statistics in Medicine 24, 2005): Wald's, with half an answer added to each cell of the table.
"""

import math
import re
from typing import Any, Final

import msgspec

from bench.harness.errors import BenchError
from bench.harness.promises import Promise
from bench.harness.table import Table
from bench.peers import questions
from bench.peers.contest import Terms, absences
from bench.peers.line_up import AS_IS, LLAMA_SERVER
from bench.peers.questions import Reply, Task
from bench.peers.system import System

MAX_TOKENS: Final = 48
QUICK_QUESTIONS: Final = 8
WRONG_QUESTIONS: Final = 100
BAR_POINTS: Final = -4.0
_Z: Final = 1.96
_SAYS_NO: Final = re.compile(
    r"\b(does|do|did|is|was|are|were|has|have|can|could)(n.t| not)\b|\bcannot\b|\bno (information|mention|answer)\b"
    r"|\bunable\b|\bnot (mentioned|stated|given|provided|specified|found)\b",
    re.IGNORECASE,
)


class Difference(msgspec.Struct, frozen=True):
    """The difference of two shares over the same questions, in percentage points, with its 95% interval."""

    points: float
    low: float
    high: float


class Quality:
    """All questions of the data set, each with its own paragraph."""

    name = "quality"

    async def measure(self, terms: Terms) -> dict[str, Any]:
        tasks = questions.paragraphs(terms.articles, MAX_TOKENS)
        if not all(task.references for task in tasks):
            raise BenchError("The questions have no reference answers: name a file in SQuAD's format with --dataset.")
        tasks = _sample(tasks, terms, None)

        async def play(system: System, number: int) -> dict[str, Any]:
            replies = await system.ask_all(tasks, terms.line_up.slots)
            return {"right": [_is_right(task, reply) for task, reply in zip(tasks, replies, strict=True)]}

        names = terms.line_up.among(AS_IS, LLAMA_SERVER)
        played = await terms.line_up.by_turns(self.name, names, 1, play)
        right = {name: rounds[0]["right"] for name, rounds in played.rounds.items()}
        return {
            "questions": len(tasks),
            "systems": {name: _share(marks) for name, marks in right.items()},
            "differences": _against(right, LLAMA_SERVER),
            "left_out": played.left_out,
        }

    def verdict(self, found: dict[str, Any]) -> list[Promise]:
        return [*absences(self.name, found), *(_bar(name, row) for name, row in found["differences"].items())]

    def table(self, found: dict[str, Any]) -> Table:
        heads = ("system", "contains the reference", "unanswered", "difference to llama-server, points", "95% interval")
        rows = [_row(name, row, found["differences"].get(name)) for name, row in found["systems"].items()]
        note = "The interval is Agresti and Min's for matched pairs. "
        note += " ".join(f"{name} is left out: {why}" for name, why in found["left_out"].items())
        title = f"{self.name}: {found['questions']} questions, each with its own paragraph, {MAX_TOKENS} tokens out"
        return Table(title, heads, rows, note.strip())


class WrongDocument:
    """Questions about a document that does not answer them: how often a system says so. Has no target."""

    name = "wrong-document"

    async def measure(self, terms: Terms) -> dict[str, Any]:
        rng = terms.rng()
        wrong = _sample(questions.misplaced(terms.articles, MAX_TOKENS, rng), terms, WRONG_QUESTIONS)
        right = _sample(questions.paragraphs(terms.articles, MAX_TOKENS), terms, WRONG_QUESTIONS)

        async def play(system: System, number: int) -> dict[str, Any]:
            replies = [await system.ask_all(tasks, terms.line_up.slots) for tasks in (wrong, right)]
            return {"wrong": _says_no(replies[0]), "right": _says_no(replies[1])}

        played = await terms.line_up.by_turns(self.name, terms.line_up.among(LLAMA_SERVER), 1, play)
        systems = {name: rounds[0] for name, rounds in played.rounds.items()}
        return {"questions": len(wrong), "systems": systems, "left_out": played.left_out}

    def verdict(self, found: dict[str, Any]) -> list[Promise]:
        return []

    def table(self, found: dict[str, Any]) -> Table:
        heads = ("system", "says that the wrong document does not hold it", "says so of the right one")
        rows = [(name, f"{row['wrong']:.1%}", f"{row['right']:.1%}") for name, row in found["systems"].items()]
        note = " ".join(f"{name} is left out: {why}" for name, why in found["left_out"].items())
        return Table(
            f"{self.name}: {found['questions']} questions with a paragraph of another article", heads, rows, note
        )


def difference(ours: list[bool], theirs: list[bool]) -> Difference:
    """The paired difference: both lists have the same questions in the same order."""
    only_ours = sum(one and not other for one, other in zip(ours, theirs, strict=True)) + 0.5
    only_theirs = sum(other and not one for one, other in zip(ours, theirs, strict=True)) + 0.5
    count = len(ours) + 2
    middle = (only_ours - only_theirs) / count
    wide = _Z * math.sqrt(only_ours + only_theirs - (only_ours - only_theirs) ** 2 / count) / count
    exact = (sum(ours) - sum(theirs)) / len(ours)
    return Difference(*(round(100 * share, 2) for share in (exact, middle - wide, middle + wide)))


def contains(answer: str, reference: str) -> bool:
    """True if the answer contains the reference, ignoring case and white space."""
    return " ".join(reference.casefold().split()) in " ".join(answer.casefold().split())


def says_no(answer: str) -> bool:
    """True if the answer denies something in its first words: a heuristic for comparisons."""
    return _SAYS_NO.search(answer[:160]) is not None


def _sample(tasks: list[Task], terms: Terms, usual: int | None) -> list[Task]:
    """A sample in the order of the data set, so that questions on one paragraph follow each other."""
    count = min(terms.questions or (QUICK_QUESTIONS if terms.quick else usual) or len(tasks), len(tasks))
    return [tasks[place] for place in sorted(terms.rng().sample(range(len(tasks)), count))]


def _is_right(task: Task, reply: Reply) -> bool | None:
    """None without an answer."""
    return any(contains(reply.text, reference) for reference in task.references) if reply.status == 200 else None


def _share(marks: list[bool | None]) -> dict[str, Any]:
    return {"right": round(sum(map(bool, marks)) / len(marks), 4), "unanswered": marks.count(None)}


def _against(right: dict[str, list[bool | None]], name: str) -> dict[str, Any]:
    """A missing answer counts as wrong, on either side."""
    if name not in right:
        return {}
    theirs = [bool(mark) for mark in right[name]]
    return {
        other: msgspec.to_builtins(difference([bool(mark) for mark in marks], theirs))
        for other, marks in right.items()
        if other != name
    }


def _bar(name: str, row: dict[str, float]) -> Promise:
    words = f"{row['points']:+.1f} points, 95% interval {row['low']:+.1f} to {row['high']:+.1f}."
    held = row["low"] > BAR_POINTS
    return Promise(f"quality: {name} at most {-BAR_POINTS:g} points below llama-server", held, words, is_bar=True)


def _row(name: str, row: dict[str, Any], apart: dict[str, float] | None) -> tuple[str, ...]:
    interval = f"{apart['low']:+.1f} to {apart['high']:+.1f}" if apart else "-"
    points = f"{apart['points']:+.1f}" if apart else "-"
    return name, f"{row['right']:.1%}", str(row["unanswered"]), points, interval


def _says_no(replies: list[Reply]) -> float:
    return round(sum(says_no(reply.text) for reply in replies) / len(replies), 4)
