"""How much reading one file may cost; set in the reader's own process, before the file is looked at."""

import os
import resource
from contextlib import suppress
from typing import Literal

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one reading. A file that exceeds one fails with a sentence that names it."""

    memory_bytes: int = 1024 * 1024 * 1024  # address space of the reader's process
    cpu_s: int = 600
    wall_s: float = 1200.0
    text_chars: int = 32_000_000
    pages: int = 10_000
    depth: int = 500  # of elements within elements
    unpacked_bytes: int = 256 * 1024 * 1024  # of an office file's parts, as counted while they are unpacked
    attachments: int = 1_000
    attachments_bytes: int = 256 * 1024 * 1024
    niceness: int = 10


Profile = Literal["reader", "program"]


def apply(limits: Limits, profile: Profile = "reader") -> None:
    """Bind this process for good: memory, CPU, no core file and, for a reader, not one byte written to any file."""
    with suppress(PermissionError):
        os.nice(limits.niceness)
    _lower(resource.RLIMIT_CORE, 0)
    # At the lower bound a signal says why, at the upper one the kernel kills.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 2))
    _lower(resource.RLIMIT_AS, limits.memory_bytes)
    if profile == "reader":
        _lower(resource.RLIMIT_FSIZE, 0)


def forbid_new_files() -> None:
    """Leave the three descriptors that are open: no file, socket or pipe can be opened, on any kernel."""
    _lower(resource.RLIMIT_NOFILE, 3)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (bound, bound))
