"""What is wrong with a running system, in plain words, from its /health. Pure; asks nothing itself."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_PARTS: Final = MappingProxyType(
    {
        "tokens": "The file of tokens cannot be used; the tokens read before stay in force",
        "audit": "Lines of the audit log are being lost",
        "results": "Results cannot be stored; jobs wait for that",
        "jobs": "Jobs are accepted, but do not end",
        "model": "A model makes no progress",
        "clock": "Clocks differ; tokens may expire at the wrong time",
        "library": "Documents can't all be read, found or erased",
    }
)
"""What it means that a part is failing; a newer system's other parts are named by their own word."""


def problems(health: Mapping[str, Any]) -> list[str]:
    """One sentence per problem, the worst first; empty if the system is well. Accepts fields of newer versions."""
    if health.get("status") == "unhealthy":
        return [str(health.get("detail") or "The system can't take questions.")]
    return [
        *_missing_workers(health),
        *_missing_library(health),
        *_failing_parts(health),
        *_worker_errors(health),
        *_full_queue(health),
    ]


def library_in_words(health: Mapping[str, Any]) -> str:
    """The state of the library and its documents in one line; empty where nothing is known of it."""
    library = health.get("library", {})
    if library.get("status") == "unavailable":
        return "unavailable: documents can't be brought in or found; its log says why"
    if "documents" not in library:
        return ""
    counts = [f"{library[name]} {name}" for name in ("waiting", "reading", "failed") if library.get(name)]
    return ", ".join([f"{library['documents']} documents", *counts])


def _missing_workers(health: Mapping[str, Any]) -> list[str]:
    if health.get("workers", True):
        return []
    return ["No worker is alive: questions are accepted until the queue is full, and wait."]


def _missing_library(health: Mapping[str, Any]) -> list[str]:
    library = health.get("library")
    if not isinstance(library, Mapping) or library.get("status") != "unavailable":
        return []
    return ["The library does not answer: documents can't be brought in or found; its log says why."]


def _failing_parts(health: Mapping[str, Any]) -> list[str]:
    failing = {
        name: str(part.get("detail", ""))
        for name, part in health.items()
        if isinstance(part, Mapping) and part.get("status") == "failing"
    }
    return [_sentence(_PARTS.get(name, f"{name} is failing"), detail) for name, detail in failing.items()]


def _worker_errors(health: Mapping[str, Any]) -> list[str]:
    named = {part.get("detail") for part in health.values() if isinstance(part, Mapping)}
    return [
        _sentence(f"Worker {worker.get('id', '?')}", str(worker["error"]))
        for worker in health.get("workers", [])
        if worker.get("error") and worker["error"] not in named
    ]


def _full_queue(health: Mapping[str, Any]) -> list[str]:
    depth, capacity = health.get("queue_depth", 0), health.get("queue_capacity")
    if not capacity or depth < capacity:
        return []
    return [f"The queue is full ({depth} of {capacity}): new questions are refused with 429 until a job ends."]


def _sentence(what: str, detail: str) -> str:
    return f"{what}: {detail.rstrip('.')}." if detail else f"{what}."
