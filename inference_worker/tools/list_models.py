"""Reports the models of this machine and the tuning's choice for each, for `docqa models list`."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from contract import settings
from contract.runtime import logs
from contract.worker_tools import ModelsListed
from inference_worker.llama.binding.library import library_version
from inference_worker.model_files.locate import bundled_model, locate_model
from inference_worker.model_files.machine import this_machine
from inference_worker.model_files.parts import models_in, size_of
from inference_worker.model_files.quantized import ModelFolder
from inference_worker.settings import WorkerSettings
from inference_worker.tools.report import reply


def main() -> int:
    """Exit status 2 with a sentence when a setting can't be used."""
    logs.configure("development", "list-models")  # stdout is for the reply
    return reply(lambda: ModelsListed(models=described(os.environ)))


def described(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each model with its size and its choice on this machine; raises SettingsError."""
    loaded = settings.load(WorkerSettings, environment)
    named = locate_model(loaded.model_path, loaded.model_name)
    others = models_in(loaded.model_path) if loaded.model_path else []
    paths = [named, *others, bundled_model()]
    return [_one(path, loaded, is_used=path == named) for path in dict.fromkeys(paths) if path]


def _one(path: Path, loaded: WorkerSettings, *, is_used: bool) -> dict[str, Any]:
    machine = this_machine(loaded.gpu_layers)
    roots = (loaded.data_dir / "models", loaded.model_cache)
    choices = (ModelFolder(root, path, library_version()).choice_for(machine) for root in roots)
    choice = next((choice for choice in choices if choice), None)
    return {
        "model": path.name,
        "path": str(path),
        "size_bytes": size_of(path),
        "is_used": is_used,
        "choice": msgspec.to_builtins(choice),
    }


if __name__ == "__main__":
    sys.exit(main())
