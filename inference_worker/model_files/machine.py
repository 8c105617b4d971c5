"""The part of a tuning's choice that is not the model: the processor, and how much of it may be used."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from contract.runtime.resources import available_cores

_CPUINFO: Final = Path("/proc/cpuinfo")
_NAMING: Final = ("vendor_id", "model name", "CPU implementer", "CPU part")
_LISTING: Final = ("flags", "Features")
_MULTIPLY_BF16: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Two machines that are equal here run a model equally fast, as far as can be known before measuring."""

    cpu: str
    flags_sha256: str
    multiplies_bf16: bool
    cores: int
    gpu_layers: int = 0
    """DOCQA_GPU_LAYERS: how many layers a GPU takes."""

    @property
    def key(self) -> str:
        """Short, and safe in a file's name."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]


def this_machine(gpu_layers: int = 0, cpuinfo: Path = _CPUINFO) -> Machine:
    """The machine that this process runs on, as Linux describes its first processor."""
    fields = _first_processor(cpuinfo)
    flags = _flags(fields)
    return Machine(
        cpu=" ".join(fields[name] for name in _NAMING if name in fields) or "unknown",
        flags_sha256=hashlib.sha256(" ".join(flags).encode()).hexdigest(),
        multiplies_bf16=not _MULTIPLY_BF16.isdisjoint(flags),
        cores=available_cores(),
        gpu_layers=gpu_layers,
    )


def cpu_flags(cpuinfo: Path = _CPUINFO) -> list[str]:
    """What the first processor can do, as Linux names it."""
    return _flags(_first_processor(cpuinfo))


def _flags(fields: dict[str, str]) -> list[str]:
    return sorted({flag for name in _LISTING for flag in fields.get(name, "").split()})


def _first_processor(cpuinfo: Path) -> dict[str, str]:
    try:
        block = cpuinfo.read_text(encoding="ascii", errors="replace").split("\n\n", 1)[0]
    except OSError:
        return {}
    lines = (line.partition(":") for line in block.splitlines())
    return {name.strip(): text.strip() for name, _, text in lines}
