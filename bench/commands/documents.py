"""`docqa bench documents`: how fast documents are read and found, how often the right one, and what kills cost."""

import json
import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from bench.answers import datasets
from bench.cli import Shared, execute, shared_options
from bench.harness import machine
from bench.harness.promises import Promise
from contract.runtime.files import write_atomically

PART_NAMES: Final = ("reading", "recall", "contracts", "search", "kills", "whose", "beside")
PAGES_A_SECOND: Final = 60
SENTENCES_A_SECOND: Final = 350
SEARCH_MS: Final = 100
RECALL: Final = {"xquad-en-dev": (0.96, 0.995), "squad2-dev-a": (0.85, 0.96)}
"""At 1 and at 5, by data set."""
RECALL_AMONG: Final = 0.85
RIGHT_CONTRACT: Final = 0.95
REST_MIB: Final = 250
READING_MIB: Final = 600
DIFFERENCE_MS: Final = 1.0
_QUICK: Final = ("reading", "recall", "search", "kills")


class _Names(click.ParamType[tuple[str, ...]]):
    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = tuple(name.strip() for name in str(value).split(",") if name.strip())
        if unknown := [name for name in names if name not in PART_NAMES]:
            self.fail(f"there is no part {unknown[0]}: name some of {', '.join(PART_NAMES)}")
        return names


@click.command("documents")
@click.option(
    "--files", type=click.IntRange(1), default=4000, show_default=True, help="Generated files to search among."
)
@click.option("--pages", type=click.IntRange(1), default=500, show_default=True, help="Of the PDF whose pace is taken.")
@click.option("--contracts", type=click.IntRange(1), default=400, show_default=True, help="From one template.")
@click.option("--kills", type=click.IntRange(0), default=50, show_default=True, help="While 200 documents come in.")
@click.option("--tries", type=click.IntRange(1), default=1000, show_default=True, help="Of each request for another's.")
@click.option(
    "--only", type=_Names(), metavar="LIST", help=f"Some of {', '.join(PART_NAMES)}; --out keeps the others' figures."
)
@click.option(
    "--also",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Another data set for the part recall. [several]",
)
@shared_options
def command(shared: Shared, only: tuple[str, ...] | None, also: tuple[Path, ...], **sizes: int) -> None:
    """How fast documents are read and found, how often the right one is, and what kills cost.

    With --dataset (SQuAD's format): how often a question's own paragraph is found, alone and among all the others.
    With --out each part is stored as soon as it is measured; --only measures some parts anew.
    """
    if shared.target:
        raise click.UsageError("This benchmark kills parts of its own stack: leave out --target.")
    names = only or (_QUICK if shared.quick else PART_NAMES)
    quick = {"files": 8, "pages": 20, "contracts": 12, "kills": 5, "tries": 20, "killed_documents": 12}
    execute(shared, _measure(shared, names, also, quick if shared.quick else {**sizes, "killed_documents": 200}))


async def _measure(
    shared: Shared, names: tuple[str, ...], also: tuple[Path, ...], counts: dict[str, int]
) -> dict[str, Any]:
    # Imported here: what makes the files comes with the packages for development.
    from bench.documents.parts import PARTS, Sizes

    found = {path.stem: _articles(path, shared.quick) for path in (shared.dataset, *also) if path}
    sizes = Sizes(seed=shared.seed, datasets=found, environment=shared.environment(), **counts)
    result = _former(shared)
    for name, part in PARTS.items():
        if name in names:
            result["figures"][name] = await part(sizes)
            result["parts_measured"][name] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            result["promises"] = msgspec.to_builtins(_verdict(result["figures"]))
            _keep(shared, result)
    return result


def _former(shared: Shared) -> dict[str, Any]:
    """An empty result; with --out and of a run of the same kind the stored one, whose other parts stay."""
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    fresh = {
        "benchmark": "documents",
        "measured": began,
        "parts_measured": {},
        "promises": [],
        "figures": {},
        "machine": machine.describe("pypdfium2", "apsw", "onnxruntime", "numpy"),
    }
    try:
        stored = json.loads(_file(shared.out).read_bytes()) if shared.out else {}
    except (OSError, ValueError):
        return fresh
    if stored.get("quick") is not shared.quick or "parts_measured" not in stored:
        return fresh
    return {**fresh, "figures": stored["figures"], "parts_measured": stored["parts_measured"]}


def _keep(shared: Shared, result: dict[str, Any]) -> None:
    """What was measured so far, should the run be broken off."""
    if shared.out:
        shared.out.mkdir(parents=True, exist_ok=True)
        write_atomically(_file(shared.out), json.dumps({**result, "quick": shared.quick}).encode() + b"\n")


def _file(out: Path) -> Path:
    return out / "documents.json"


def _articles(dataset: Path, quick: bool) -> list[datasets.Article]:
    found = datasets.read(dataset)
    return found[:2] if quick else found


def _verdict(figures: dict[str, Any]) -> list[Promise]:
    """Of the parts that were measured."""
    judges = {
        "reading": _of_reading,
        "recall": _of_recall,
        "contracts": _of_contracts,
        "search": _of_search,
        "kills": _of_kills,
        "whose": _of_whose,
    }
    return [promise for name, judge in judges.items() if figures.get(name) for promise in judge(figures[name])]


def _of_reading(found: dict[str, Any]) -> list[Promise]:
    at_rest, meanwhile = found["memory_at_rest"]["median_mib"], found["memory_while_reading"]["most_mib"]
    words = f"of {found['words_a_sentence']:.0f} words"
    return [
        _bar("Pages a second", found["pages_a_second"], PAGES_A_SECOND, "from upload to searchable by words"),
        _bar("Sentences embedded a second", found["sentences_embedded_a_second"], SENTENCES_A_SECOND, words),
        _most("Memory at rest", at_rest, REST_MIB, "MiB (median)"),
        _most("Memory while reading", meanwhile, READING_MIB, "MiB"),
    ]


def _of_recall(found: dict[str, Any]) -> list[Promise]:
    verdict = []
    for name, (at_1, at_5) in RECALL.items():
        if one := found.get(name):
            words = f"of {one['questions']} questions ({name})"
            verdict.append(_bar("Recall at 1", one["recall_at_1"], at_1, words))
            verdict.append(_bar("Recall at 5", one["recall_at_5"], at_5, words))
    return verdict


def _of_contracts(found: dict[str, Any]) -> list[Promise]:
    return [_bar("The right contract", found["right_document_first"], RIGHT_CONTRACT, "first")]


def _of_search(found: dict[str, Any]) -> list[Promise]:
    among = f"among {found['passages']:,} passages"
    verdict = [_most("Search", found["search_p95_ms"], SEARCH_MS, f"ms (p95) {among}")]
    if recall := found["recall"]:
        verdict.append(_bar("Recall at 5 among many", recall["recall_at_5"], RECALL_AMONG, among))
    return verdict


def _of_kills(found: dict[str, Any]) -> list[Promise]:
    bad = {name: found[name] for name in ("lost", "twice", "half") if found[name]}
    words = f"{found['documents']} documents under {found['kills']} kills: {bad or 'each is there once, whole'}."
    return [Promise("Nothing is lost, twice or half", not bad, words)]


def _of_whose(found: dict[str, Any]) -> list[Promise]:
    unlike = [name for name, one in found.items() if not one["alike"]]
    most = max(found.values(), key=lambda one: float(one["difference_ms"]))
    words = f"by status and body: {', '.join(unlike) or 'no difference'}."
    return [
        Promise("Another's document is like a missing one", not unlike, words),
        _most("By time", most["difference_ms"], DIFFERENCE_MS, "ms between the medians, at most of all requests"),
    ]


def _bar(name: str, found: float, wanted: float, words: str) -> Promise:
    return Promise(name, found >= wanted, f"{found:.3g} {words} (at least {wanted:g})", is_bar=True)


def _most(name: str, found: float, wanted: float, words: str) -> Promise:
    return Promise(name, found <= wanted, f"{found:.3g} {words} (at most {wanted:g})", is_bar=True)
