"""Works on snapshots of models: `python -m inference_worker.tools.model_snapshots`, for `docqa models`.

Tells what it does as lines of JSON on stdout; the last one is `done` or `failed`.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from contract import settings
from contract.errors import DocQAError, SettingsError
from inference_worker.model_files.locate import locate_model
from inference_worker.model_files.parts import models_in, parts_of
from inference_worker.model_files.snapshots import ModelSnapshots
from inference_worker.settings import WorkerSettings


def main() -> int:
    """Exit status 2 with a sentence when the work could not be done."""
    try:
        loaded, arguments = settings.load(WorkerSettings, os.environ), _arguments()
        snapshots = ModelSnapshots(arguments.root or loaded.snapshots_folder, _tell_of)
        tell("done", **_work(arguments, snapshots, loaded))
    except DocQAError as error:
        tell("failed", sentence=str(error))
        return 2
    except OSError as error:
        tell("failed", sentence=f"{error.filename or 'The system'}: {error.strerror or error}. Nothing has changed.")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _work(arguments: argparse.Namespace, snapshots: ModelSnapshots, loaded: WorkerSettings) -> dict[str, Any]:
    match arguments.action:
        case "list":
            return {"snapshots": msgspec.to_builtins(snapshots.all())}
        case "snapshot":
            models = _models(arguments.model, loaded)
            made, is_new = snapshots.make(models, arguments.source, is_copied=arguments.copy)
            return {"snapshot": msgspec.to_builtins(made), "is_new": is_new, "folder": str(snapshots.root)}
        case "verify":
            return {"troubles": snapshots.verify(arguments.which) + snapshots.verify_used()}
        case _:
            restored = snapshots.restore(arguments.which, arguments.into, is_copied=arguments.copy)
            return {"restored": [str(path) for path in restored]}


def _models(named: list[Path], loaded: WorkerSettings) -> list[Path]:
    """The files that were named, else all of MODEL_PATH, else the bundled one."""
    for path in named:
        if not path.is_file():
            raise SettingsError(f"--model: there is no file {path}.")
    found = named or (models_in(loaded.model_path) if loaded.model_path else [])
    models = found or [locate_model(loaded.model_path, loaded.model_name)]
    return [part for model in models for part in parts_of(model)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="docqa models")
    parser.add_argument("action", choices=["list", "snapshot", "verify", "restore"])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--which", default="latest")
    parser.add_argument("--model", type=Path, action="append", default=[])
    parser.add_argument("--source")
    parser.add_argument("--into", type=Path)
    parser.add_argument("--copy", action="store_true")
    return parser.parse_args()


def _tell_of(what: str, path: Path) -> None:
    tell("working", what=what, path=str(path))


def tell(event: str, **members: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode({"event": event, **members}) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
