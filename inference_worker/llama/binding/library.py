"""llama.cpp as a library: its start, its log, its version, and conversion of model files. Knows no loaded model."""

import ctypes
import functools
import hashlib
from collections import deque
from pathlib import Path
from typing import Any, Final

import llama_cpp
import llama_cpp.llama_cpp as lc
import structlog

from contract.errors import EngineError
from contract.runtime.resources import available_cores

_LOG_ERROR: Final = 4

QUANTIZATIONS: Final = {
    "q4_0": lc.LLAMA_FTYPE_MOSTLY_Q4_0,
    "q4_1": lc.LLAMA_FTYPE_MOSTLY_Q4_1,
    "iq4_nl": lc.LLAMA_FTYPE_MOSTLY_IQ4_NL,
    "q4_k_m": lc.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "q5_k_m": lc.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    "q6_k": lc.LLAMA_FTYPE_MOSTLY_Q6_K,
    "q8_0": lc.LLAMA_FTYPE_MOSTLY_Q8_0,
    "f16": lc.LLAMA_FTYPE_MOSTLY_F16,
    "bf16": lc.LLAMA_FTYPE_MOSTLY_BF16,
}
"""The quantizations that a file can be converted to, by the names that operators know."""

log = structlog.get_logger(__name__)


def library_version() -> str:
    """The release of llama-cpp-python, with which a tuning choice was measured."""
    return str(llama_cpp.__version__)


def library_build() -> str:
    """Another text for each time that the library's kernels were compiled, safe in a file's name."""
    kernels = sorted((Path(llama_cpp.__file__).parent / "lib").glob("libggml-cpu*.so*"))
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in kernels]
    return hashlib.sha256(repr((llama_cpp.__version__, facts)).encode()).hexdigest()[:12]


def quantize(source: Path, target: Path, kind: str) -> None:
    """Convert `source` to `kind`, one of QUANTIZATIONS; raises EngineError. `target` may be left half-written."""
    start_library()
    params = lc.llama_model_quantize_default_params()
    params.ftype = QUANTIZATIONS[kind]
    params.nthread = available_cores()
    params.allow_requantize = True
    if lc.llama_model_quantize(bytes(source), bytes(target), ctypes.byref(params)) != 0:
        raise EngineError(f"llama.cpp can't convert {source.name} to {kind}.")


@functools.cache
def start_library() -> None:
    """Load the kernels and take over the log; only the first call does anything."""
    lc.llama_log_set(_log_callback, None)
    _load_variant(Path(llama_cpp.__file__).parent / "lib")
    lc.llama_backend_init()


@functools.cache
def _load_variant(folder: Path) -> None:
    """Load the kernels for this processor, where the library was built for any: then it contains none itself."""
    if any(folder.glob("libggml-cpu-*.so")):
        # Called through libllama: a wheel holds copies instead of links, and each copy has its own list of kernels.
        load = lc._lib.ggml_backend_load_all_from_path
        load.argtypes, load.restype = [ctypes.c_char_p], None
        load(bytes(folder))


def _log(level: int, text: bytes, _user_data: Any) -> None:
    """Log llama.cpp's errors; the rest is dropped."""
    if level == _LOG_ERROR:
        words = text.decode(errors="replace").strip()
        last_errors.append(words)
        log.error("llama.cpp", text=words)


last_errors: deque[str] = deque(maxlen=8)
"""What llama.cpp logged since the last load began: a call of it says no more than that it failed."""


# llama.cpp keeps only the address: the object must live as long as the process.
_log_callback = lc.llama_log_callback(_log)
