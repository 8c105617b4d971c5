"""Whether weights may be laid out for AMX, as the processor and the build of llama.cpp are: probed once for both.

Knows the probe by its exit status only.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import structlog

from contract.runtime.files import write_atomically
from inference_worker.llama.binding.library import library_build
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.locate import bundled_model
from inference_worker.model_files.machine import cpu_flags

_FLAG: Final = "amx_int8"
_PROBE: Final = (sys.executable, "-m", "inference_worker.tools.amx_probe")
_WITHIN_S: Final = 300.0

log = structlog.get_logger(__name__)


def has_amx() -> bool:
    """True where the processor multiplies tiles of eight-bit integers."""
    return _FLAG in cpu_flags()


def checked(options: RunOptions, given: Path, folder: Path) -> RunOptions:
    """The options, without extra buffers where AMX is there and does not work; what was found is kept in `folder`."""
    if not options.extra_buffers or not has_amx() or _works(given, folder / f"amx-{library_build()}.json"):
        return options
    return msgspec.structs.replace(options, extra_buffers=False)


def _works(given: Path, kept: Path) -> bool:
    try:
        return msgspec.json.decode(kept.read_bytes(), type=bool)
    except (OSError, msgspec.DecodeError):
        found = _probed(bundled_model() or given)
    try:
        write_atomically(kept, msgspec.json.encode(found))
    except OSError as error:
        log.warning("whether AMX works is probed again at the next start", reason=error.strerror)
    return found


def _probed(model: Path) -> bool:
    try:
        done = subprocess.run([*_PROBE, str(model)], capture_output=True, timeout=_WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        log.warning("AMX is not used: its probe did not end")
        return False
    if done.returncode:
        log.warning("AMX is not used: its probe failed", status=done.returncode)
    return done.returncode == 0
