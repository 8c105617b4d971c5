"""Gives the memory of a new context back to Linux until it is used.

llama.cpp writes zeros into the whole KV cache when it makes a context, and so takes the memory of the longest prompts
at once. Fresh pages are zero anyway: dropped after that, they return one by one as tokens are stored. Knows addresses
only.
"""

import ctypes
import mmap
import threading
from collections.abc import Callable
from typing import Any, Final

import llama_cpp.llama_cpp as lc

_ALLOCATE: Final = 1
"""Where a buffer type has its function `alloc_buffer` (ggml-backend-impl.h: `ggml_backend_buffer_type_i`)."""
_WORTH_BYTES: Final = 2**20
_PAGE: Final = mmap.PAGESIZE

_Allocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

_lock = threading.Lock()


def opened_untouched(open_context: Callable[[], Any]) -> Any:
    """What `open_context` returns; the buffers that it made in ordinary memory take none until they are written to.

    Buffers of the new context hold zeros (the KV cache) or nothing yet (what steps compute), so nothing is lost.
    """
    found: list[tuple[int, int]] = []
    with _lock:
        functions, allocate = _functions()
        opener = threading.get_ident()

        def noting(buffer_type: int, size: int) -> int | None:
            buffer: int | None = allocate(buffer_type, size)
            # Other threads may load other models meanwhile, whose buffers are not empty.
            if buffer and size >= _WORTH_BYTES and threading.get_ident() == opener:
                found.append((_base(buffer), size))
            return buffer

        hook = _Allocate(noting)
        former = functions[_ALLOCATE]
        functions[_ALLOCATE] = ctypes.cast(hook, ctypes.c_void_p).value
        try:
            context = open_context()
        finally:
            functions[_ALLOCATE] = former
    if context:
        for start, size in found:
            _drop(start, size)
    return context


def _functions() -> tuple[Any, Callable[[int, int], int | None]]:
    """The table of ordinary memory's functions, and its `alloc_buffer`."""
    ask = lc._lib.ggml_backend_cpu_buffer_type
    ask.argtypes, ask.restype = [], ctypes.POINTER(ctypes.c_void_p)
    functions = ask()
    return functions, _Allocate(functions[_ALLOCATE] or 0)


def _base(buffer: int) -> int:
    ask = lc._lib.ggml_backend_buffer_get_base
    ask.argtypes, ask.restype = [ctypes.c_void_p], ctypes.c_void_p
    return int(ask(buffer))


def _drop(start: int, size: int) -> None:
    """Drop the whole pages from `start` on. Where Linux refuses (locked memory), they stay as they are."""
    first, end = -(-start // _PAGE) * _PAGE, (start + size) // _PAGE * _PAGE
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    # A row's values lie in many short lines: pages of 2 MiB would take all of it for one token, and are not faster.
    advise(first, end - first, mmap.MADV_NOHUGEPAGE)
    advise(first, end - first, mmap.MADV_DONTNEED)
