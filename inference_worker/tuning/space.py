"""The candidates for a source file on a machine, and which of them have no room there.

Knows sizes and processors; knows nothing of measuring.
"""

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from contract.errors import SettingsError
from contract.runtime.resources import free_bytes
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.amx import has_amx
from inference_worker.model_files.choice import AS_IS
from inference_worker.model_files.gguf_header import file_type
from inference_worker.model_files.machine import Machine
from inference_worker.tuning.search import Change, Space

_BITS: Final = {"q8_0": 8.5, "f16": 16.0, "bf16": 16.0, "q6_k": 6.6, "q4_0": 4.5}
"""Bits for each weight, in the order of preference among equals: Q8_0 takes half the memory of sixteen bits and says
nearly the same; Q6_K saves little more and uses up most of what the gate allows. Q4_K_M, Q5_K_M and IQ4_NL are left
out: they change the model's answers more than the limit allows; Q4_0 represents the small ones where it passes."""

_BITS_BY_FILE_TYPE: Final[dict[int | None, float]] = {0: 32.0, 1: 16.0, 2: 4.5, 7: 8.5, 18: 6.6, 32: 16.0}
_KIND_BY_FILE_TYPE: Final[dict[int | None, str]] = {1: "f16", 2: "q4_0", 7: "q8_0", 18: "q6_k", 32: "bf16"}
_LEAST_BITS: Final = 4.5
"""Taken for all other files: what is made of them may turn out smaller than expected, never larger by much."""

USUAL: Final = RunOptions()
_MEMORY_SHARE: Final = 0.5
_DISK_SHARE: Final = 0.8
_STEPS_TOKENS: Final = (128, 512)


def candidates(only: Collection[str], without: Collection[str], given: Path, machine: Machine) -> list[str]:
    """The quantizations to try, the source file's own first; raises SettingsError for an unknown or an empty choice."""
    for name in (*only, *without):
        if name not in (AS_IS, *_BITS):
            raise SettingsError(f"--only, --without: {name} is not tried; there are {', '.join((AS_IS, *_BITS))}.")
    same = _KIND_BY_FILE_TYPE.get(file_type(given))
    # Sixteen bits are for processors that multiply them as they are; then bf16 keeps more of the range than f16.
    slow = {"f16"} if machine.multiplies_bf16 else {"bf16"}
    usual = [name for name in (AS_IS, *_BITS) if name != same and name not in slow]
    chosen = [name for name in (only or usual) if name not in without]
    if not chosen:
        raise SettingsError("--only, --without: nothing is left to try.")
    return chosen


def space(quantizations: list[str], machine: Machine, usual: RunOptions = USUAL) -> Space:
    """All that is tried, from the `usual` options on: see `Search`."""
    start = msgspec.structs.replace(usual, threads=machine.cores, gpu_layers=machine.gpu_layers)
    fewer = {machine.cores // 2, machine.cores - 1} - {0, machine.cores}
    changes: list[Change] = [
        {"kv_layout": "unified"},
        *([{"kv_type": "bf16"}] if machine.multiplies_bf16 else []),
        *({"step_tokens": tokens} for tokens in _STEPS_TOKENS),
        *({"threads": threads} for threads in sorted(fewer, reverse=True)),
        *([{"extra_buffers": False}] if usual.extra_buffers and has_amx() else []),
        *([{"gpu_layers": 0}] if machine.gpu_layers else []),
    ]
    return Space(
        quantizations=quantizations,
        start=start,
        changes_of_two=[{"flash_attention": True}],
        changes_of_one=changes,
    )


def no_room(quantization: str, given: Path, folder: Path) -> str:
    """Why the source file is not converted to `quantization`; empty when there is room for it."""
    if quantization == AS_IS:
        return ""
    bits = _BITS_BY_FILE_TYPE.get(file_type(given), _LEAST_BITS)
    size_bytes = given.stat().st_size * _BITS[quantization] / bits
    for what, room_bytes in (
        ("memory", free_bytes() * _MEMORY_SHARE),
        ("disk", shutil.disk_usage(folder).free * _DISK_SHARE),
    ):
        if size_bytes > room_bytes:
            return f"about {size_bytes / 2**20:,.0f} MiB; the {what} has room for {room_bytes / 2**20:,.0f}"
    return ""
