"""Runs a tuning, for `docqa models tune` and for an idle worker; reports what it tries."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from contract import settings
from contract.errors import DocQAError
from contract.runtime import logs
from contract.runtime.resources import free_bytes
from contract.worker_tools import Began, Chosen, Failed, Trying
from inference_worker.llama.binding.library import library_version
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files import amx
from inference_worker.model_files.choice import AS_IS, Candidate, Choice
from inference_worker.model_files.locate import locate_model
from inference_worker.model_files.machine import Machine, this_machine
from inference_worker.model_files.quantized import ModelFolder
from inference_worker.settings import WorkerSettings
from inference_worker.tools.background import end_with, yield_to_others
from inference_worker.tools.report import report
from inference_worker.tuning import quality
from inference_worker.tuning import space as tuning_space
from inference_worker.tuning.journal import Journal
from inference_worker.tuning.search import Field, Search, TuningError
from inference_worker.tuning.trials import LIMIT_S, Trials

_BESIDE_BYTES: Final = 512 * 2**20
"""What a trial takes beside the weights."""
_STARVED_LIMIT_S: Final = 8 * LIMIT_S
"""By the clock on the wall: where others take the processor, a trial that yields to all of them gets little of it."""


def main() -> int:
    """Exit status: 0 with a choice, 2 with a sentence why there is none, 143 after SIGTERM."""
    signal.signal(signal.SIGTERM, _stop)
    logs.configure("development", "tune")
    arguments = _arguments()
    if arguments.background:
        end_with(arguments.background)
        yield_to_others()
    try:
        run(arguments, os.environ)
    except (DocQAError, OSError) as error:
        report(Failed(sentence=_sentence(error)))
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
    found = None if wants_again else _usable(folder, machine)
    if found is None:
        if arguments.background:
            _refuse_without_memory(given)
        quantizations = tuning_space.candidates(arguments.only, arguments.without, given, machine)
        limit_s = _STARVED_LIMIT_S if arguments.background else LIMIT_S
        found = choose(given, folder, quantizations, machine, limit_s)
    report(Chosen(choice=msgspec.to_builtins(found), folder=str(folder.path)))


def _refuse_without_memory(given: Path) -> None:
    """Beside a worker that has the model in memory there must be room for another form of it; raises TuningError."""
    needed_bytes = 2 * given.stat().st_size + _BESIDE_BYTES
    if free_bytes() < needed_bytes:
        raise TuningError(
            f"There is too little memory to tune {given.name} beside the worker: stop it and run `docqa models tune`."
        )


def _usable(folder: ModelFolder, machine: Machine) -> Choice | None:
    """What was chosen before, while its file is there."""
    found = folder.choice_for(machine)
    is_there = found and (found.chosen.quantization == AS_IS or folder.made(found.chosen.quantization))
    return found if is_there else None


def named_model(path: Path | None, loaded: WorkerSettings) -> Path:
    """The file that the option or the settings name; raises SettingsError."""
    if path:
        return locate_model(path.absolute().parent, path.name)
    return locate_model(loaded.model_path, loaded.model_name)


def choose(
    given: Path, folder: ModelFolder, quantizations: list[str], machine: Machine, limit_s: float = LIMIT_S
) -> Choice:
    """Measure, and keep the choice with the file that it needs; raises DocQAError or OSError.

    No trial takes longer than `limit_s`.
    """
    space = tuning_space.space(quantizations, machine, amx.checked(RunOptions(), given, folder.path.parent))
    with folder.locked(wait=False) as unfinished:
        report(Began(model=given.name, folder=str(folder.path), candidates=quantizations))
        trials = Trials(given, folder, unfinished, limit_s)
        journal = Journal(folder.path / f"measured-{machine.key}.jsonl", trials.measure)
        field = Field(journal.measure, quality.GATE_KL)
        for quantization in quantizations:
            if reason := tuning_space.no_room(quantization, given, unfinished):
                field.refuse(Candidate(quantization=quantization, options=space.start), reason)
        best = Search(field, space, _report_progress).best()
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
        journal.end()
    return made


def _report_progress(candidate: Candidate, done: float) -> None:
    report(Trying(candidate=msgspec.to_builtins(candidate), done=done))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="docqa models tune")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--background", type=int, metavar="PID", help="yield to all others, and end with this process")
    return parser.parse_args()


def _sentence(error: DocQAError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}."
    return str(error)


def _stop(number: int, _frame: object) -> NoReturn:
    # As an exception, so that the child is ended and unfinished files are removed.
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
