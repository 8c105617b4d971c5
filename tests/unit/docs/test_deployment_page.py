"""The table of sizes in docs/deployment.md holds what the code computes from the figures beside it."""

import re
from typing import Final

from contract.worker_tools import MemoryNeed
from inference_worker.llama.kv_size import Shape
from inference_worker.llama.run_options import RunOptions
from inference_worker.settings import WorkerSettings
from inference_worker.tools.memory_need import PROCESS_BYTES, with_rows
from tests.support.page import DOCS

_NUMBER: Final = r"([\d,]+)"
_ROW: Final = re.compile(
    rf"^\| (?P<model>[^|]+) \| (?P<file>[\d,]+) \| {_NUMBER}, {_NUMBER}, {_NUMBER} \xd7 {_NUMBER}, {_NUMBER} "
    r"\| (?P<slots>\d+) \xd7 (?P<context>\d+) \| (?P<need>[\d.]+) GiB, computed[^|]*"
    r"\| (?P<high>[\d.]+)G / (?P<most>[\d.]+)G \| (?P<queue>\d+) \|",
    re.MULTILINE,
)


def computed_gib(row: "re.Match[str]") -> float:
    layers, heads, kv_heads, head, vocabulary = (int(text.replace(",", "")) for text in row.groups()[2:7])
    slots, context = int(row["slots"]), int(row["context"])
    shape = Shape(trained_tokens=context, layers=layers, heads=heads, kv_heads=kv_heads, embedding=heads * head)
    settings = WorkerSettings(slots=slots, context_tokens=context)
    need = MemoryNeed(
        engine="llama",
        slots=slots,
        cores=1,
        threads=1,
        cpu_flags=[],
        file_bytes=int(row["file"].replace(",", "")),
        prefix_cache_bytes=settings.prefix_cache_mb * 1_000_000,
        process_bytes=PROCESS_BYTES,
    )
    return with_rows(need, shape, RunOptions(threads=1), vocabulary, settings, 2**40).total_bytes / 2**30


def test_every_row_of_the_table_of_sizes_is_what_the_code_computes() -> None:
    rows = list(_ROW.finditer((DOCS / "deployment.md").read_text(encoding="utf-8")))
    assert len(rows) == 5
    for row in rows:
        need = computed_gib(row)
        told = [row["need"], row["high"], row["most"]]
        assert told == [f"{need * factor:.1f}" for factor in (1, 1.1, 1.25)], row["model"]
        assert int(row["queue"]) == 2 * int(row["slots"])
