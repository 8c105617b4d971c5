"""How fast the embedder is: sentences a second, one question, a search, and the first vector of a new process.

Mostly in CPU time, which other work on the machine changes little.
"""

import functools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from contract.embedding import Embedder, Packed, cosines

STORED: Final = 250_000
"""Vectors in a search: 4,000 files."""
_ROUNDS: Final = 5
_QUESTIONS: Final = 40
_FRESH: Final = """
import json, sys, time
import psutil
from contract.embedding import DEFAULT, open_embedders
began, process = time.perf_counter(), psutil.Process()
embedder = open_embedders(DEFAULT, threads=2)
embedder.embed_query("How soon?")
first = time.perf_counter() - began
loaded = process.memory_info().rss
embedder.embed_passages([f"sentence {number} " + "and more words " * (number % 30) for number in range(400)])
print(json.dumps([first, time.process_time(), loaded, process.memory_info().rss]))
"""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The best of some rounds, since other work on the machine only ever slows it."""

    sentences: int
    sentences_a_second: float
    sentences_a_cpu_second: float


def pace(embedder: Embedder, sentences: Sequence[str]) -> Pace:
    """Embed the sentences a few times; CPU seconds count all threads, whatever else the machine does."""
    embedder.embed_passages(sentences[:8])
    return max((_round(embedder, sentences) for _ in range(_ROUNDS)), key=lambda found: found.sentences_a_second)


def _round(embedder: Embedder, sentences: Sequence[str]) -> Pace:
    wall_s, cpu_s = _taken(lambda: embedder.embed_passages(sentences))
    return Pace(
        sentences=len(sentences),
        sentences_a_second=round(len(sentences) / wall_s, 1),
        sentences_a_cpu_second=round(len(sentences) / cpu_s, 1),
    )


def query_ms(embedder: Embedder, questions: Sequence[str]) -> dict[str, float]:
    """One question at a time: the median and the least, in milliseconds of CPU time."""
    drawn = (list(questions) * _QUESTIONS)[:_QUESTIONS]
    times_ms = sorted(_taken(functools.partial(embedder.embed_query, question))[1] * 1000 for question in drawn)
    return {"query_median_cpu_ms": round(times_ms[len(times_ms) // 2], 2), "query_least_cpu_ms": round(times_ms[0], 2)}


def search_cpu_ms(dimensions: int) -> float:
    """A query against STORED packed vectors: the least of some rounds, in milliseconds of CPU time."""
    rng = np.random.default_rng(0)
    codes = rng.integers(-127, 128, (STORED, dimensions), np.int8)
    packed = Packed(codes, np.full(STORED, 0.001, np.float32))
    query = rng.standard_normal(dimensions).astype(np.float32)
    return round(min(_taken(lambda: cosines(query, packed))[1] for _ in range(_ROUNDS)) * 1000, 1)


def fresh_process() -> dict[str, Any]:
    """A new process embeds a question, then 400 sentences: seconds to its first vector, and its MiB after each."""
    ran = subprocess.run([sys.executable, "-c", _FRESH], capture_output=True, check=True)
    first_s, cpu_s, loaded, after = json.loads(ran.stdout)
    return {
        "first_vector_s": round(first_s, 2),
        "first_vector_and_work_cpu_s": round(cpu_s, 2),
        "loaded_mib": round(loaded / 2**20),
        "after_work_mib": round(after / 2**20),
    }


def _taken(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
