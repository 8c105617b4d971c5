"""Checks the memory that the model and its slots need against that of the machine or the control group."""

from typing import Final

import psutil

from contract.runtime.resources import memory_limit_bytes
from contract.worker_tools import Failed, MemoryNeed
from ops.preflight.context import Context
from ops.preflight.finding import Finding, failure, ok, size, warning

_TIGHT_SHARE: Final = 0.9
_STEP_TOKENS: Final = 256
_LEAST_TOKENS: Final = 1024
_PARTS: Final = {
    "file_bytes": "weights",
    "cells_bytes": "slots",
    "step_bytes": "steps",
    "prefix_cache_bytes": "known documents",
    "process_bytes": "process",
}


def check(context: Context) -> list[Finding]:
    need = context.need
    if isinstance(need, Failed):
        return [failure("model", need.sentence.rstrip("."), "Correct this: the worker would not start.")]
    if not need.model:
        return [ok("model", f"none: the engine is {need.engine}")]
    free = psutil.virtual_memory().available + context.worker_bytes
    return [_model(need), check_need(context, need, min(free, memory_limit_bytes()))]


def _model(need: MemoryNeed) -> Finding:
    if not need.context_tokens:
        return warning(
            "model",
            f"{need.model}: its header does not give the size of its KV cache",
            "Start it once and check the worker's memory with `docqa status`.",
        )
    later = "" if need.is_made else f" (converted at the first start from {size(need.file_bytes)})"
    return ok(
        "model",
        f"{need.model} as {need.runs_as}{later}, {need.slots} slots of {need.context_tokens} tokens",
    )


def check_need(context: Context, need: MemoryNeed, free_bytes: int) -> Finding:
    """`free_bytes` includes the memory of a running worker, since the new one would replace it."""
    total = need.total_bytes
    detail = f"needs {size(total)} ({_parts(need)}), {size(free_bytes)} free"
    if context.worker_bytes:
        detail += f" (the running worker's {size(context.worker_bytes)} included)"
    if total > free_bytes:
        return failure("memory", detail, _cure(need, free_bytes))
    if total > _TIGHT_SHARE * free_bytes:
        return warning("memory", f"{detail}: tight", _cure(need, free_bytes))
    return ok("memory", detail)


def _parts(need: MemoryNeed) -> str:
    return " + ".join(f"{word} {size(getattr(need, name))}" for name, word in _PARTS.items() if getattr(need, name))


def _cure(need: MemoryNeed, free_bytes: int) -> str:
    """Suggest smaller slots before fewer ones: few documents need the whole length."""
    tokens = need.context_tokens
    fixed_bytes = need.total_bytes - need.cells_bytes
    room = _TIGHT_SHARE * free_bytes - fixed_bytes
    fitting = int(room * tokens / need.cells_bytes) // _STEP_TOKENS * _STEP_TOKENS if need.cells_bytes else 0
    if fitting >= _LEAST_TOKENS:
        return f"Set DOCQA_CONTEXT_TOKENS to {min(fitting, tokens)}, or fewer DOCQA_SLOTS."
    return "Set fewer DOCQA_SLOTS, a smaller DOCQA_PREFIX_CACHE_MB, or name a smaller model."
