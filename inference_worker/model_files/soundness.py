"""Refuses model files that llama.cpp can't answer from, before it is asked to load them: by their headers alone."""

import time
from pathlib import Path
from typing import Final

import structlog

from contract.errors import SettingsError
from inference_worker.model_files import gguf_header
from inference_worker.model_files.parts import parts_of

_OTHER_KINDS: Final = {
    "mmproj": "a projector for images",
    "projector": "a projector for images",
    "adapter": "an adapter",
    "imatrix": "an importance matrix",
}
_STILL_WRITTEN_S: Final = 30.0
"""A cut-off file that was written to this recently is probably being copied."""
_CHECK_EVERY_S: Final = 1.0

log = structlog.get_logger(__name__)


class CutOffError(SettingsError):
    """A model's file is shorter than its header says."""


def check(path: Path) -> None:
    """Raises SettingsError for a file without the weights of a whole language model."""
    known, parts = gguf_header.metadata(path), parts_of(path)
    if known.get("general.architecture") == "clip":
        raise SettingsError(f"MODEL_NAME: {path.name} is a projector for images: name the language model beside it.")
    if kind := _OTHER_KINDS.get(str(known.get("general.type", ""))):
        raise SettingsError(f"MODEL_NAME: {path.name} is {kind}, not a language model: name the model itself.")
    if not sum(_tensors_in(part) for part in parts):
        raise SettingsError(f"MODEL_NAME: {path.name} holds a vocabulary and no weights: name the model itself.")


def wait_until_written(path: Path) -> None:
    """Wait while a cut-off file is still being written to; raises SettingsError like `check`."""
    while True:
        try:
            return check(path)
        except CutOffError as error:
            if time.time() - max(part.stat().st_mtime for part in parts_of(path)) > _STILL_WRITTEN_S:
                raise
            log.warning("waiting for the model's file to be whole", reason=str(error))
        time.sleep(_CHECK_EVERY_S)


def _tensors_in(path: Path) -> int:
    found, size = gguf_header.tensors(path), path.stat().st_size
    if found is None:
        raise CutOffError(
            f"MODEL_NAME: the header of {path.name} can't be read: it is damaged or cut off: get it again."
        )
    if size < found.file_bytes:
        raise CutOffError(
            f"MODEL_NAME: {path.name} is cut off: it has {size} of at least {found.file_bytes} bytes: get it again."
        )
    return found.count
