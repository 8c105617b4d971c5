"""Lists, makes, verifies and restores snapshots of models, for `docqa models`; reports each file it works on."""

import argparse
import os
import sys
from pathlib import Path

import msgspec

from contract import settings
from contract.errors import DocQAError, SettingsError
from contract.worker_tools import (
    Failed,
    Message,
    SnapshotMade,
    SnapshotRestored,
    SnapshotsListed,
    SnapshotVerified,
    Working,
)
from inference_worker.model_files.locate import locate_model
from inference_worker.model_files.parts import models_in, parts_of
from inference_worker.model_files.snapshots import ModelSnapshots
from inference_worker.settings import WorkerSettings
from inference_worker.tools.report import report


def main() -> int:
    """Exit status 2 with a sentence when the work could not be done."""
    try:
        loaded, arguments = settings.load(WorkerSettings, os.environ), _arguments()
        snapshots = ModelSnapshots(arguments.root or loaded.snapshots_folder, _report_work)
        report(_work(arguments, snapshots, loaded))
    except DocQAError as error:
        report(Failed(sentence=str(error)))
        return 2
    except OSError as error:
        report(Failed(sentence=f"{error.filename or 'The system'}: {error.strerror or error}. Nothing has changed."))
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _work(arguments: argparse.Namespace, snapshots: ModelSnapshots, loaded: WorkerSettings) -> Message:
    match arguments.action:
        case "list":
            return SnapshotsListed(snapshots=msgspec.to_builtins(snapshots.all()))
        case "snapshot":
            models = _models(arguments.model, loaded)
            made, is_new = snapshots.make(models, arguments.source, is_copied=arguments.copy)
            return SnapshotMade(snapshot=msgspec.to_builtins(made), is_new=is_new, folder=str(snapshots.root))
        case "verify":
            return SnapshotVerified(troubles=snapshots.verify(arguments.which) + snapshots.verify_used())
        case _:
            restored = snapshots.restore(arguments.which, arguments.into, is_copied=arguments.copy)
            return SnapshotRestored(restored=[str(path) for path in restored])


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


def _report_work(what: str, path: Path) -> None:
    report(Working(what=what, path=str(path)))


if __name__ == "__main__":
    sys.exit(main())
