"""Gives memory back to the system: what a load or a large batch took and freed."""

import ctypes
from collections.abc import Callable
from typing import Any


def give_back() -> None:
    """Ask the C library to return what it keeps for later; one without `malloc_trim` (musl) keeps little."""
    trim: Callable[[int], Any] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
