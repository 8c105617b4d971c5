"""Checks the processor and the process limits: whether llama.cpp can use fast instructions and enough cores."""

import os
import platform
import resource
from collections.abc import Collection
from typing import Final

from contract.worker_tools import MemoryNeed
from ops.preflight.context import Context
from ops.preflight.finding import Finding, ok, warning

_WANTED_FLAGS: Final = {"x86_64": ("avx2", "fma", "f16c"), "aarch64": ("asimd", "asimddp")}
"""Without these llama.cpp is several times slower."""

_BONUS_FLAGS: Final = ("avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "i8mm", "bf16", "sve")
_WANTED_FILES: Final = 4096
"""Each waiting client uses a file descriptor of the ingress."""


def check(context: Context) -> list[Finding]:
    found = []
    if isinstance(context.need, MemoryNeed):
        found = [
            check_cores(context.need.cores, context.need.threads, os.cpu_count() or 1),
            check_flags(platform.machine(), context.need.cpu_flags),
        ]
    return [*found, check_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])]


def check_cores(usable: int, threads: int, existing: int) -> Finding:
    detail = f"{usable} of {existing} cores usable, the engine runs {threads} threads"
    if threads > usable:
        return warning(
            "cores", detail, f"Set DOCQA_THREADS to {usable}: threads without a core of their own slow each other down."
        )
    if usable < 2:
        return warning("cores", detail, "Provide two cores: the ingress and the bus share this one with the model.")
    return ok("cores", detail)


def check_flags(architecture: str, flags: Collection[str]) -> Finding:
    wanted = _WANTED_FLAGS.get(architecture)
    if wanted is None:
        return warning(
            "processor",
            f"{architecture} is untested",
            "Use x86-64 or arm64, or measure with `docqa models tune`.",
        )
    missing = [flag for flag in wanted if flag not in flags]
    if missing:
        return warning(
            "processor",
            f"{architecture} without {', '.join(missing)}",
            "Expect a fraction of the usual speed; on a virtual machine enable host CPU passthrough.",
        )
    return ok("processor", ", ".join([architecture, *wanted, *(flag for flag in _BONUS_FLAGS if flag in flags)]))


def check_files(limit: int) -> Finding:
    if limit == resource.RLIM_INFINITY or limit >= _WANTED_FILES:
        return ok("open files", "no limit" if limit == resource.RLIM_INFINITY else f"up to {limit:,} per process")
    return warning(
        "open files",
        f"up to {limit:,} per process, which limits the number of waiting clients",
        f"Raise it to {_WANTED_FILES} (LimitNOFILE= of the unit, or `ulimit -n`).",
    )
