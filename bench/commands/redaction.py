"""`docqa bench redaction`: the sanitizer's recall, precision and speed, compared with others on the same texts."""

import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from bench.cli import Shared, execute, shared_options
from bench.harness import machine
from bench.harness.promises import Promise
from bench.peers import peer_python
from bench.redaction import corpus, redactors, score
from bench.redaction import texts as redaction_texts
from bench.redaction.redactors import OURS, PEERS

RECALL: Final = 0.95
PRECISION: Final = 0.97
ORDINARY_MS: Final = 0.3
HOSTILE_MS: Final = 50.0
_QUICK_CASES: Final = 20
_SLOWEST: Final = 5


@click.command("redaction")
@click.option("--peer", "names", type=click.Choice(list(PEERS)), multiple=True, default=tuple(PEERS),
              help="May be repeated. [default: all]")  # fmt: skip
@click.option("--cases", type=click.IntRange(1), default=200, show_default=True, help="Texts per kind.")
@click.option(
    "--python",
    type=click.Path(path_type=Path, exists=True),
    help="Python with the peers installed. [default: that of `make redactors`]",
)
@shared_options
def command(shared: Shared, names: tuple[str, ...], cases: int, python: Path | None) -> None:
    """Compare the sanitizer with others, and measure its speed on ordinary and hostile texts.

    `make redactors` installs the others into .venv-redactors.
    """
    if shared.target:
        raise click.UsageError("This benchmark uses no running system: leave --target out.")
    cases = min(cases, _QUICK_CASES) if shared.quick else cases
    execute(shared, _measure(names, cases, python or redactors.default_python(), shared.seed))


async def _measure(names: tuple[str, ...], count: int, python: Path, seed: int) -> dict[str, Any]:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    found = await _found(names, count, python, seed)
    return {
        "benchmark": "redaction",
        "measured": began,
        "promises": msgspec.to_builtins(_verdict(found)),
        "figures": {"redaction": found},
        "machine": await _machine(python, [PEERS[name] for name in names]),
    }


async def _found(names: tuple[str, ...], count: int, python: Path, seed: int) -> dict[str, Any]:
    cases = corpus.cases(seed, count)
    texts = [case.text for case in cases]
    ordinary, dense = redaction_texts.ordinary(seed), redaction_texts.dense(seed)
    paced = ordinary | dense
    # Ours first, while nothing else runs.
    hostile = _hostile(seed)
    found = {OURS: redactors.ours(texts, paced)}
    left_out: dict[str, str] = {}
    for name in names:
        try:
            found[name] = await redactors.theirs(name, python, texts, paced)
        except redactors.PeerError as error:
            left_out[name] = str(error)
    return {
        "cases_each": count,
        "sorts": list(corpus.HARMLESS),
        "scores": score.scored(cases, {name: seen.spans for name, seen in found.items()}),
        "named": score.named(cases, found[OURS].spans),
        "pace_ms": {name: seen.pace_ms for name, seen in found.items()},
        "dense": list(dense),
        "hostile": hostile,
        "left_out": left_out,
    }


def _hostile(seed: int) -> dict[str, Any]:
    paces = {pieces: redactors.pace_ms(text) for pieces, text in redaction_texts.hostile(seed).items()}
    slowest = sorted(paces.items(), key=lambda pace: -pace[1][0])[:_SLOWEST]
    rows = [{"text": pieces, "ms": round(ms, 1), "is_refused": is_refused} for pieces, (ms, is_refused) in slowest]
    return {"texts": len(paces), "slowest": rows}


def _verdict(found: dict[str, Any]) -> list[Promise]:
    absent = [Promise(f"{name} takes part", False, why, is_bar=True) for name, why in found["left_out"].items()]
    peers = [name for name in found["scores"] if name != OURS]
    return [*_kinds(found), *absent, *(_beside(found["scores"], peer) for peer in peers), *_paces(found)]


def _kinds(found: dict[str, Any]) -> list[Promise]:
    ours, named = found["scores"][OURS], found["named"]
    recall = min(ours["recall"], key=ours["recall"].get)
    right = min(ours["recall"], key=lambda kind: named.get(kind, 0.0))
    left = min(ours["left_alone"], key=ours["left_alone"].get)
    return [
        Promise(f"Of each kind {RECALL:.0%} are found", ours["recall"][recall] >= RECALL,
                f"The least is {ours['recall'][recall]:.1%} ({recall})."),
        Promise(f"Of each kind's finds {PRECISION:.0%} are right", named.get(right, 0.0) >= PRECISION,
                f"The least is {named.get(right, 0.0):.1%} ({right})."),
        Promise(f"Of each harmless sort {PRECISION:.0%} are left alone", ours["left_alone"][left] >= PRECISION,
                f"The least is {ours['left_alone'][left]:.1%} ({left})."),
    ]  # fmt: skip


def _beside(scores: dict[str, Any], peer: str) -> Promise:
    worse = score.behind(scores, peer)
    words = f"Behind in {', '.join(worse)}." if worse else "Ahead or equal in every kind and every harmless sort."
    return Promise(f"Not behind {peer}", not worse, words, is_bar=True)


def _paces(found: dict[str, Any]) -> list[Promise]:
    ours = found["pace_ms"][OURS]
    slowest = max((kind for kind in ours if kind not in found["dense"]), key=lambda kind: ours[kind])
    hostile = found["hostile"]["slowest"][0]
    return [
        Promise(f"10 KB of ordinary text within {ORDINARY_MS:g} ms", ours[slowest] / 10 <= ORDINARY_MS,
                f"The slowest is {slowest}: {ours[slowest] / 10:.2f} ms.", is_bar=True),
        Promise(f"Any hostile 100 KB within {HOSTILE_MS:g} ms", hostile["ms"] <= HOSTILE_MS,
                f"The slowest of {found['hostile']['texts']} takes {hostile['ms']:.1f} ms.", is_bar=True),
    ]  # fmt: skip


async def _machine(python: Path, packages: list[str]) -> dict[str, Any]:
    described = machine.describe("google-re2")
    theirs = {
        f"{name} (of the peers)": version for name, version in (await peer_python.versions(python, packages)).items()
    }
    ours: Any = described["packages"]
    return {**described, "packages": {**ours, **theirs}}
