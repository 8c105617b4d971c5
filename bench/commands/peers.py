"""`docqa bench peers`: the same model and questions through our system and through others, in turn, several rounds."""

import hashlib
import statistics
import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from bench.cli import Shared, execute, shared_options
from bench.harness import dataset, machine
from bench.harness.errors import BenchError
from bench.harness.promises import Promise
from bench.peers import peer_python, system
from bench.peers.contest import Terms
from bench.peers.line_up import AS_IS, OTHERS, LineUp
from bench.peers.registry import CONTESTS, DEFAULT

QUICK: Final = ("shared-documents", "burst")
"""Workloads of a quick run."""
AT_REST: Final = 0.1
"""The largest share of the processors that other programs may use."""
_PEERS: Final = {name.rpartition(" ")[2]: name for name in OTHERS}


@click.command("peers")
@click.option("--workload", "workloads", type=click.Choice(list(CONTESTS)), multiple=True, default=tuple(DEFAULT),
              help=f"May be repeated. [default: {', '.join(DEFAULT)}]")  # fmt: skip
@click.option("--peer", "names", type=click.Choice(list(_PEERS)), multiple=True, default=tuple(_PEERS),
              help=f"May be repeated; `{AS_IS.rpartition(' ')[2]}` is ours on the source file. [default: all]",
              )  # fmt: skip
@click.option(
    "--python",
    type=click.Path(path_type=Path, exists=True),
    help="Python with the peers installed. [default: that of `make peers`]",
)
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="GGUF file. [default: the bundled one]")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Rounds, each from a fresh start.")
@click.option("--questions", type=click.IntRange(1), help="Sample size for long workloads.")
@click.option("--burst", type=click.IntRange(1), default=50, show_default=True, help="Questions at once.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="For ours and llama-server.")
@shared_options
def command(
    shared: Shared,
    workloads: tuple[str, ...],
    names: tuple[str, ...],
    python: Path | None,
    model: Path | None,
    rounds: int,
    questions: int | None,
    burst: int,
    slots: int,
) -> None:
    """Compare with other servers of the same model.

    `make peers` installs llama-server and llama_cpp.server into .venv-peers.
    """
    if shared.target:
        raise click.UsageError("The comparison starts its own systems: leave --target out.")
    if shared.quick:
        rounds, burst, workloads = 1, min(burst, 12), QUICK if workloads == tuple(DEFAULT) else workloads
    others = tuple(_PEERS[name] for name in names)
    try:
        terms = Terms(
            line_up=LineUp(model or system.bundled_model(), python or peer_python.default(), slots, others),
            articles=dataset.articles(shared.dataset), rounds=rounds, seed=shared.seed, questions=questions,
            burst=burst, quick=shared.quick,
        )  # fmt: skip
    except BenchError as error:
        raise click.ClickException(str(error)) from None
    execute(shared, _measure(terms, workloads))


async def _measure(terms: Terms, workloads: tuple[str, ...]) -> dict[str, Any]:
    began, began_s = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.monotonic()
    found = {name: await CONTESTS[name].measure(terms) for name in workloads}
    verdict = [promise for name, seen in found.items() for promise in CONTESTS[name].verdict(seen)]
    return {
        "benchmark": name_of(workloads),
        "measured": began,
        "promises": msgspec.to_builtins([*verdict, *_at_rest(terms.line_up.others_busy)]),
        "figures": {
            "rounds": terms.rounds,
            "model": terms.line_up.model.name,
            "model_sha256": _sha256(terms.line_up.model),
            "took_s": round(time.monotonic() - began_s),
            "contests": found,
        },
        "machine": await _machine(terms.line_up.python),
    }


def name_of(workloads: tuple[str, ...]) -> str:
    """The name of the stored result: a run of selected workloads does not replace the full one."""
    return "peers" if set(workloads) >= set(DEFAULT) else f"peers-{'-'.join(workloads)}"


def _at_rest(busy: list[float]) -> list[Promise]:
    """Threads of some systems spin while they wait: beside other programs those lose far more than their share."""
    if not busy:
        return []
    words = f"Before a start {statistics.median(busy):.0%} of the processors were taken, {max(busy):.0%} at most."
    return [Promise("The machine is at rest", statistics.median(busy) <= AT_REST, words, is_bar=True)]


async def _machine(python: Path) -> dict[str, Any]:
    """The machine, with the versions in the peers' environment."""
    described = machine.describe()
    theirs = {f"{name} (of the peers)": version for name, version in (await peer_python.versions(python)).items()}
    packages: Any = described["packages"]
    return {**described, "packages": {**packages, **theirs}}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
