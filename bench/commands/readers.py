"""`docqa bench readers`: how much of invented documents the readers read, in every format, and how fast."""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, median
from typing import Any, Final

import click
import msgspec

from bench.cli import Shared, execute, shared_options
from bench.harness import machine
from bench.harness.errors import BenchError
from bench.harness.promises import Promise
from bench.reading.corpus import Document, document
from bench.reading.score import share_in_order, words_of

IN_ORDER: Final = 0.98
PAGES_A_SECOND: Final = 60.0
_LONG_PARAGRAPHS: Final = 1500
_QUICK_PARAGRAPHS: Final = 300
_SCRIPTS: Final = ("", "german", "russian")
_WITHOUT_CYRILLIC: Final = frozenset(("text, cp1252", "pdf, two columns"))
_TIMES: Final = 3


@click.command("readers")
@click.option("--documents", type=click.IntRange(1), default=6, show_default=True, help="Documents per format.")
@shared_options
def command(shared: Shared, documents: int) -> None:
    """Read invented documents of every format, and compare with what a person reads in them."""
    if shared.target:
        raise click.UsageError("This benchmark uses no running system: leave --target out.")
    try:
        import bench.reading.makers  # noqa: F401 (its libraries come with the packages for development)
    except ModuleNotFoundError as missing:
        raise click.UsageError(f"The documents are made by {missing.name}: install goblin-docqa[dev].") from missing
    execute(shared, _measure(min(documents, 2) if shared.quick else documents, shared.seed, shared.quick))


async def _measure(count: int, seed: int, quick: bool) -> dict[str, Any]:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with tempfile.TemporaryDirectory() as folder:
        shares = await _shares(Path(folder), count, seed)
        paces = await _paces(Path(folder), seed, _QUICK_PARAGRAPHS if quick else _LONG_PARAGRAPHS)
    return {
        "benchmark": "readers",
        "measured": began,
        "promises": msgspec.to_builtins(_verdict(shares, paces)),
        "figures": {**_summary(paces), "words_in_order": shares, "pace": paces},
        "machine": machine.describe("pypdfium2", "mammoth", "selectolax", "python-calamine"),
    }


async def _shares(folder: Path, count: int, seed: int) -> dict[str, dict[str, float]]:
    from bench.reading.makers import MAKERS

    found: dict[str, dict[str, float]] = {}
    for name, (suffix, make) in MAKERS.items():
        shares = []
        for number in range(count):
            script = _SCRIPTS[number % len(_SCRIPTS)]
            if name in _WITHOUT_CYRILLIC and script == "russian":
                script = "german" if name.startswith("text") else ""
            sample = document(seed + number, 24, script=script)
            shares.append(await _share(sample, _written(folder, suffix, make(sample))))
        found[name] = {"mean": mean(shares), "least": min(shares), "documents": count}
    return found


async def _share(sample: Document, path: Path) -> float:
    shown = await _shown(path)
    return share_in_order(words_of(" ".join(sample.words())), words_of(shown["text"]))


async def _paces(folder: Path, seed: int, paragraphs: int) -> dict[str, dict[str, float]]:
    """Of one long document in each form: CPU seconds of the process, its start included, the median of three."""
    from bench.reading.makers import MAKERS

    found: dict[str, dict[str, float]] = {}
    for name in ("pdf", "docx", "html", "markdown"):
        suffix, make = MAKERS[name]
        content = make(document(seed, paragraphs, tables=False))
        path = _written(folder, suffix, content)
        runs = [await _shown(path) for _ in range(_TIMES)]
        cpu_s = median(run["cpu_s"] for run in runs)
        pages = len(runs[0]["pages"])
        found[name] = {
            "pages": pages,
            "pages_per_cpu_s": pages / cpu_s,
            "megabytes": len(content) / 1e6,
            "megabytes_per_cpu_s": len(content) / 1e6 / cpu_s,
            "characters_per_cpu_s": len(runs[0]["text"]) / cpu_s,
            "cpu_s": cpu_s,
            "peak_mib": max(run["peak_bytes"] for run in runs) / 1024**2,
        }
    return found


def _summary(paces: dict[str, dict[str, float]]) -> dict[str, float]:
    """What the page of benchmarks shows."""
    megabytes = {f"{name}_megabytes_per_cpu_s": round(paces[name]["megabytes_per_cpu_s"], 2) for name in paces}
    peak = max(pace["peak_mib"] for pace in paces.values())
    return {"pdf_pages_per_cpu_s": round(paces["pdf"]["pages_per_cpu_s"]), **megabytes, "reader_peak_mib": round(peak)}


def _written(folder: Path, suffix: str, content: bytes) -> Path:
    path = folder / f"document.{suffix}"
    path.write_bytes(content)
    return path


async def _shown(path: Path) -> dict[str, Any]:
    """What the readers say of a file. Raises BenchError where they can't read it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "library.readers", "show", str(path)), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    shown: dict[str, Any] = json.loads(output or b"{}")
    if process.returncode:
        raise BenchError(f"{path.name} can't be read: {shown.get('sentence', 'no word from the readers')}")
    return shown


def _verdict(shares: dict[str, dict[str, float]], paces: dict[str, dict[str, float]]) -> list[Promise]:
    worst = min(shares, key=lambda name: shares[name]["mean"])
    least, pace = shares[worst]["mean"], paces["pdf"]["pages_per_cpu_s"]
    return [
        Promise("words in order, of the worst format", least >= IN_ORDER, f"{least:.2%} ({worst})"),
        Promise("pages of a PDF a second and core", pace >= PAGES_A_SECOND, f"{pace:.0f}", is_bar=True),
    ]
