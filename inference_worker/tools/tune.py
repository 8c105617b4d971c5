"""Runs a tuning: `python -m inference_worker.tools.tune`, for `docqa models tune`.

Tells what it does as lines of JSON on stdout.
"""

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from contract import settings
from contract.errors import DocQAError
from contract.runtime import logs
from inference_worker.llama.model import library_version
from inference_worker.model_files.choice import Candidate, Choice
from inference_worker.model_files.locate import locate_model
from inference_worker.model_files.machine import Machine, this_machine
from inference_worker.model_files.quantized import ModelFolder
from inference_worker.settings import WorkerSettings
from inference_worker.tuning import quality
from inference_worker.tuning import space as tuning_space
from inference_worker.tuning.search import Field, Search
from inference_worker.tuning.trials import Trials


def main() -> int:
    """Exit status: 0 with a choice, 2 with a sentence why there is none, 143 when it was told to stop."""
    signal.signal(signal.SIGTERM, _stop)
    logs.configure("development", "tune")
    try:
        run(_arguments(), os.environ)
    except (DocQAError, OSError) as error:
        tell("failed", sentence=_sentence(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Choose how the model is run, unless that is known; raises DocQAError or OSError."""
    loaded = settings.load(WorkerSettings, environment)
    given = named_model(arguments.model, loaded)
    folder = ModelFolder(arguments.root or loaded.model_cache, given, library_version())
    machine = this_machine(loaded.gpu_layers)
    wants_again = arguments.again or arguments.only or arguments.without
    found = None if wants_again else folder.choice_for(machine)
    if found is None:
        quantizations = tuning_space.candidates(arguments.only, arguments.without, given, machine)
        found = choose(given, folder, quantizations, machine)
    tell("chosen", choice=found, folder=str(folder.path))


def named_model(path: Path | None, loaded: WorkerSettings) -> Path:
    """The file that the option or the settings name; raises SettingsError."""
    if path:
        return locate_model(path.absolute().parent, path.name)
    return locate_model(loaded.model_path, loaded.model_name)


def choose(given: Path, folder: ModelFolder, quantizations: list[str], machine: Machine) -> Choice:
    """Measure, and keep the choice with the file that it needs; raises DocQAError or OSError."""
    space = tuning_space.space(quantizations, machine)
    with folder.claimed(wait=False) as unfinished:
        tell("began", model=given.name, folder=str(folder.path), candidates=quantizations)
        trials = Trials(given, folder, unfinished)
        field = Field(trials.measure, quality.GATE_KL)
        for quantization in quantizations:
            if reason := tuning_space.no_room(quantization, given, unfinished):
                field.refuse(Candidate(quantization=quantization, options=space.start), reason)
        best = Search(field, space, _tell_progress).best()
        trials.keep(best.quantization)
        made = Choice(
            model=given.stem,
            model_sha256=folder.given_sha256,
            library=folder.library,
            machine=machine,
            chosen=best,
            tried=field.table(best),
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        folder.keep_choice(made)
    return made


def tell(event: str, **fields: Any) -> None:
    """One line of JSON, at once."""
    sys.stdout.buffer.write(msgspec.json.encode({"event": event, **fields}) + b"\n")
    sys.stdout.buffer.flush()


def _tell_progress(candidate: Candidate, done: float) -> None:
    tell("trying", candidate=candidate, done=done)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="docqa models tune")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def _sentence(error: DocQAError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}."
    return str(error)


def _stop(number: int, _frame: object) -> NoReturn:
    # As an exception, so that the child is ended and what is unfinished is cleared away.
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
