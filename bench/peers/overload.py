"""How a system handles more questions at once than it has slots, and a kill -9 during its work."""

import asyncio
import contextlib
from collections import Counter
from typing import Any, Final

from bench.harness.promises import Promise
from bench.harness.table import Table
from bench.peers import questions
from bench.peers.contest import Terms
from bench.peers.line_up import LLAMA_CPP_SERVER, LLAMA_SERVER, OURS
from bench.peers.questions import Task
from bench.peers.system import System

MAX_TOKENS: Final = 16
QUEUE_SIZE: Final = 10
KILLED_AFTER_S: Final = 0.5
ANSWERS_OUTLIVE_WITHIN_S: Final = 120.0


class Overload:
    """Which systems refuse, queue without a limit, or lose questions. One round is enough."""

    name = "burst"

    async def measure(self, terms: Terms) -> dict[str, Any]:
        tasks = questions.paragraphs(terms.articles, MAX_TOKENS)
        tasks = terms.rng().sample(tasks, min(len(tasks), terms.burst))

        async def play(system: System, number: int) -> dict[str, Any]:
            burst = await _burst(system, [tasks[number % len(tasks)] for number in range(terms.burst)])
            return {"burst": burst, "kill": await _kill(system, tasks[: terms.line_up.slots])}

        names = terms.line_up.among(LLAMA_SERVER, LLAMA_CPP_SERVER)
        settings = {"MAX_QUEUE_SIZE": str(QUEUE_SIZE), "DOCQA_ACK_WAIT_S": "2"}
        played = await terms.line_up.by_turns(self.name, names, 1, play, **settings)
        systems = {name: rounds[0] for name, rounds in played.rounds.items()}
        return {"burst": terms.burst, "systems": systems, "left_out": played.left_out}

    def verdict(self, found: dict[str, Any]) -> list[Promise]:
        if OURS not in found["systems"]:
            return [Promise("Accepted is never lost", False, found["left_out"][OURS])]
        kill = found["systems"][OURS]["kill"]
        words = f"{kill['answered']} of {kill['asked']} got their answer although the worker was killed meanwhile."
        return [Promise("Accepted is never lost", kill["answered"] == kill["asked"], words)]

    def table(self, found: dict[str, Any]) -> Table:
        heads = ("system", "answered", "refused", "slowest refusal, ms", "slowest answer, s", "kill -9")
        rows = [_row(name, row["burst"], row["kill"]) for name, row in found["systems"].items()]
        note = " ".join(f"{name} is left out: {why}" for name, why in found["left_out"].items())
        return Table(
            f"{self.name}: {found['burst']} questions at once; then {KILLED_AFTER_S} s of work", heads, rows, note
        )


def _row(name: str, burst: dict[str, Any], kill: dict[str, int]) -> tuple[str, ...]:
    statuses = burst["statuses"]
    return (
        name,
        f"{statuses.get('200', 0)} of {sum(statuses.values())}",
        str(statuses.get("429", 0) + statuses.get("503", 0)),
        str(burst["slowest_refusal_ms"] or "-"),
        str(burst["slowest_answer_s"] or "-"),
        f"{kill['answered']} of {kill['asked']} answered",
    )


async def _burst(system: System, tasks: list[Task]) -> dict[str, Any]:
    """Many questions at once: how many are refused, how soon, and the longest wait."""
    replies = await asyncio.gather(*(system.ask(task) for task in tasks))
    refused = [reply.took_s for reply in replies if reply.status in (429, 503)]
    answered = [reply.took_s for reply in replies if reply.status == 200]
    statuses = Counter(str(reply.status) for reply in replies)
    return {
        "statuses": dict(sorted(statuses.items())),
        "slowest_refusal_ms": round(max(refused) * 1000, 1) if refused else None,
        "slowest_answer_s": round(max(answered), 2) if answered else None,
    }


async def _kill(system: System, tasks: list[Task]) -> dict[str, int]:
    """SIGKILL the computing process while all slots are busy: how many questions still get an answer."""
    asking = [asyncio.ensure_future(system.ask(task)) for task in tasks]
    await asyncio.sleep(KILLED_AFTER_S)
    done_before = sum(asked.done() for asked in asking)
    system.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWERS_OUTLIVE_WITHIN_S):
            await asyncio.gather(*asking)
    answered = sum(asked.done() and not asked.cancelled() and asked.result().status == 200 for asked in asking)
    return {"asked": len(asking), "answered_before": done_before, "answered": answered}
