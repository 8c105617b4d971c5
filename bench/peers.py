"""`docqa bench peers`: the same model and questions through our system and through others, in turn, several rounds.

Each system runs alone, and the rounds go by turns, so that a machine that slows down does so for all.
"""

import asyncio
import contextlib
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from bench import contender, machine, workload
from bench.contender import Contender, Reply
from bench.errors import BenchError
from bench.latency import Latencies
from bench.promises import Promise
from bench.shared import Shared, execute, shared_options
from bench.workload import Workload

PEERS: Final = ("llama-server", "llama_cpp.server")
KILLED_AFTER_S: Final = 0.5
ANSWERS_OUTLIVE_WITHIN_S: Final = 120.0


class Plan:
    """What every contender is put through."""

    def __init__(self, *, questions: int, clients: int, burst: int, load: Workload) -> None:
        self.questions, self.clients, self.burst, self.load = questions, clients, burst, load


@click.command("peers")
@click.option("--python", type=click.Path(path_type=Path), help="One that has the peers. [default: this one]")
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="A GGUF file. [default: the bundled one]")
@click.option("--peer", "names", type=click.Choice(PEERS), multiple=True, default=PEERS, help="Several may be named.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--questions", type=click.IntRange(1), default=32, show_default=True, help="A round.")
@click.option("--burst", type=click.IntRange(1), default=50, show_default=True, help="Questions at once.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="Ours and llama-server's.")
@shared_options
def command(
    shared: Shared,
    python: Path | None,
    model: Path | None,
    names: tuple[str, ...],
    rounds: int,
    questions: int,
    burst: int,
    slots: int,
) -> None:
    """The same questions through us and through others."""
    if shared.quick:
        rounds, questions, burst = 1, min(questions, 4), min(burst, 12)
    plan = Plan(questions=questions, clients=slots, burst=burst, load=workload.load(shared.dataset, max_tokens=16))
    systems = _systems(names, python, model or contender.bundled_model(), slots)
    execute(shared, _measure(plan, systems, rounds))


def _systems(names: tuple[str, ...], python: Path | None, model: Path, slots: int) -> dict[str, Any]:
    """How each is started, by name."""
    ours = {"docqa": lambda: contender.ours(model, slots, queue_size=10)}
    others = {
        name: (lambda name=name: contender.peer(name, python or Path(sys.executable), model, slots)) for name in names
    }
    return {**ours, **others}


async def _measure(plan: Plan, systems: dict[str, Any], rounds: int) -> dict[str, Any]:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    found: dict[str, list[dict[str, Any]]] = {}
    skipped = {}
    for number in range(rounds):
        for name, start in systems.items():
            if name in skipped:
                continue
            try:
                async with start() as system:
                    seen = await _one_round(system, plan, is_last=number == rounds - 1)
                found.setdefault(name, []).append(seen)
            except BenchError as error:
                click.echo(f"{name} is left out: {error}", err=True)
                skipped[name] = str(error)
    rows = [_row(name, seen) for name, seen in found.items()]
    return {
        "benchmark": "peers",
        "measured": began,
        "promises": [msgspec.to_builtins(_verdict(rows))],
        "figures": {
            "rounds": rounds,
            "questions": plan.questions,
            "burst": plan.burst,
            "peers": rows,
            "left_out": skipped,
        },
        "machine": machine.describe(),
    }


async def _one_round(system: Contender, plan: Plan, *, is_last: bool) -> dict[str, Any]:
    # The first question pays for pages and caches.
    if (first := await system.ask(plan.load.body(0))).status != 200:
        raise BenchError(f"its first question got {first.status or 'no answer: the connection broke'}.")
    began_s = time.monotonic()
    replies = await _closed_loop(system, plan)
    elapsed_s = time.monotonic() - began_s
    answered = [reply for reply in replies if reply.status == 200]
    round_ = {
        "answers_per_s": len(answered) / elapsed_s,
        "tokens_per_s": sum(reply.tokens for reply in answered) / elapsed_s,
        "latency_ms": Latencies(reply.took_s for reply in answered).percentile_ms(50),
    }
    # Once is enough: how a system meets a burst is its nature, not a matter of speed.
    return {**round_, "burst": await _burst(system, plan), "kill": await _kill(system, plan)} if is_last else round_


async def _closed_loop(system: Contender, plan: Plan) -> list[Reply]:
    numbers, replies = iter(range(1, plan.questions + 1)), []

    async def client() -> None:
        for number in numbers:
            replies.append(await system.ask(plan.load.body(number)))

    await asyncio.gather(*(client() for _ in range(plan.clients)))
    return replies


async def _burst(system: Contender, plan: Plan) -> dict[str, Any]:
    """Many at once: who is refused, how soon, and how long the last one waits."""
    replies = await asyncio.gather(*(system.ask(plan.load.body(number)) for number in range(plan.burst)))
    refused = [reply.took_s for reply in replies if reply.status in (429, 503)]
    answered = [reply.took_s for reply in replies if reply.status == 200]
    return {
        "statuses": {
            str(status): count for status, count in sorted(Counter(reply.status for reply in replies).items())
        },
        "slowest_refusal_ms": round(max(refused) * 1000, 1) if refused else None,
        "slowest_answer_s": round(max(answered), 2) if answered else None,
    }


async def _kill(system: Contender, plan: Plan) -> dict[str, int]:
    """Kill -9 what computes while it works on as many questions as it has slots: who still gets an answer."""
    asking = [asyncio.ensure_future(system.ask(plan.load.body(number))) for number in range(plan.clients)]
    await asyncio.sleep(KILLED_AFTER_S)
    done_before = sum(asked.done() for asked in asking)
    system.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWERS_OUTLIVE_WITHIN_S):
            await asyncio.gather(*asking)
    answered = sum(asked.done() and not asked.cancelled() and asked.result().status == 200 for asked in asking)
    return {"asked": len(asking), "answered_before": done_before, "answered": answered}


def _row(name: str, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "peer": name,
        **{
            kind: {
                "median": round(statistics.median(seen[kind] for seen in rounds), 3),
                "min": round(min(seen[kind] for seen in rounds), 3),
                "max": round(max(seen[kind] for seen in rounds), 3),
            }
            for kind in ("answers_per_s", "tokens_per_s", "latency_ms")
        },
        **{kind: rounds[-1][kind] for kind in ("burst", "kill") if kind in rounds[-1]},
    }


def _verdict(rows: list[dict[str, Any]]) -> Promise:
    kill = next((row["kill"] for row in rows if row["peer"] == "docqa" and "kill" in row), None)
    if kill is None:
        return Promise("Accepted is never lost", False, "The worker was not killed: there is no last round.")
    words = f"{kill['answered']} of {kill['asked']} got their answer although the worker was killed meanwhile."
    return Promise("Accepted is never lost", kill["answered"] == kill["asked"], words)
