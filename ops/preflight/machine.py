"""The processor and the limits of a process: whether llama.cpp has what it is fast with."""

import os
import platform
import resource
from collections.abc import Collection
from typing import Final

from ops.preflight.context import Scene
from ops.preflight.finding import Finding, ok, warning

_WANTED_FLAGS: Final = {"x86_64": ("avx2", "fma", "f16c"), "aarch64": ("asimd", "asimddp")}
"""Without these a step takes several times as long."""

_BONUS_FLAGS: Final = ("avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "i8mm", "bf16", "sve")
_WANTED_FILES: Final = 4096
"""Each waiting client holds a descriptor of the ingress."""


def check(scene: Scene) -> list[Finding]:
    found = []
    if "sentence" not in scene.need:
        found = [
            judge_cores(scene.need["cores"], scene.need["threads"], os.cpu_count() or 1),
            judge_flags(platform.machine(), scene.need["cpu_flags"]),
        ]
    return [*found, judge_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])]


def judge_cores(usable: int, threads: int, there_are: int) -> Finding:
    detail = f"{usable} of {there_are} cores usable, the engine runs {threads} threads"
    if threads > usable:
        return warning("cores", detail, f"Set DOCQA_THREADS to {usable}: threads without a core wait for each other.")
    if usable < 2:
        return warning("cores", detail, "Give it two cores: the ingress and the bus share this one with the model.")
    return ok("cores", detail)


def judge_flags(architecture: str, flags: Collection[str]) -> Finding:
    wanted = _WANTED_FLAGS.get(architecture)
    if wanted is None:
        return warning(
            "processor",
            f"{architecture} was not tried",
            "Use x86-64 or arm64; measure it with `docqa models tune` otherwise.",
        )
    missing = [flag for flag in wanted if flag not in flags]
    if missing:
        return warning(
            "processor",
            f"{architecture} without {', '.join(missing)}",
            "Expect a fraction of the usual speed; on a virtual machine let the host pass its processor through.",
        )
    return ok("processor", ", ".join([architecture, *wanted, *(flag for flag in _BONUS_FLAGS if flag in flags)]))


def judge_files(limit: int) -> Finding:
    if limit == resource.RLIM_INFINITY or limit >= _WANTED_FILES:
        return ok("open files", "no limit" if limit == resource.RLIM_INFINITY else f"up to {limit:,} a process")
    return warning(
        "open files",
        f"up to {limit:,} a process: so many clients can wait at a time at most",
        f"Raise it to {_WANTED_FILES} (LimitNOFILE= of the unit, or `ulimit -n`).",
    )
