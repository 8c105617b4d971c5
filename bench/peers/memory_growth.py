"""The worker's memory over many jobs in a row."""

from typing import Any, Final

import psutil

from bench.harness.promises import Promise
from bench.harness.table import Table
from bench.peers import questions
from bench.peers.contest import Terms, absences
from bench.peers.line_up import OURS
from bench.peers.system import System

JOBS: Final = 2000
QUICK_JOBS: Final = 20
MAX_TOKENS: Final = 8
SETTLED_SHARE: Final = 0.1
"""After a tenth of the jobs caches and pools are full: the rest must not grow them."""
BAR: Final = 0.05
_MIB: Final = 2**20


class MemoryGrowth:
    """Jobs on every paragraph of the data set, as many in flight as there are slots."""

    name = "memory"

    async def measure(self, terms: Terms) -> dict[str, Any]:
        jobs = terms.questions or (QUICK_JOBS if terms.quick else JOBS)
        tasks = questions.paragraphs(terms.articles, MAX_TOKENS)
        terms.rng().shuffle(tasks)
        asked = [tasks[number % len(tasks)] for number in range(jobs)]
        settled = int(jobs * SETTLED_SHARE)

        async def play(system: System, number: int) -> dict[str, Any]:
            first = await system.ask_all(asked[:settled], terms.line_up.slots)
            after_first_mib = _rss_mib(system)
            rest = await system.ask_all(asked[settled:], terms.line_up.slots)
            unanswered = sum(reply.status != 200 for reply in (*first, *rest))
            return {"settled_mib": after_first_mib, "end_mib": _rss_mib(system), "unanswered": unanswered}

        played = await terms.line_up.by_turns(self.name, [OURS], 1, play)
        ours = played.rounds[OURS][0] if OURS in played.rounds else None
        return {"jobs": jobs, "settled_after": settled, "ours": ours, "left_out": played.left_out}

    def verdict(self, found: dict[str, Any]) -> list[Promise]:
        if not (ours := found["ours"]):
            return absences(self.name, found)
        name = f"{self.name}: within {BAR:.0%} from job {found['settled_after']} to job {found['jobs']}"
        held = abs(_grown(ours)) <= BAR and not ours["unanswered"]
        words = f"{ours['settled_mib']:.0f} MiB, then {ours['end_mib']:.0f} MiB: {_grown(ours):+.1%}"
        return [Promise(name, held, f"{words}; {ours['unanswered']} unanswered.", is_bar=True)]

    def table(self, found: dict[str, Any]) -> Table:
        heads = ("jobs", "worker's memory, MiB")
        ours = found["ours"]
        places = ((found["settled_after"], "settled_mib"), (found["jobs"], "end_mib")) if ours else ()
        rows = [(str(jobs), f"{ours[when]:.1f}") for jobs, when in places]
        note = " ".join(f"{name} is left out: {why}" for name, why in found["left_out"].items())
        return Table(f"{self.name}: resident, after so many jobs", heads, rows, note)


def _grown(ours: dict[str, float]) -> float:
    return ours["end_mib"] / ours["settled_mib"] - 1


def _rss_mib(system: System) -> float:
    return round(sum(psutil.Process(pid).memory_info().rss for pid in system.pids) / _MIB, 2)
