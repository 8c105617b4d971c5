"""Which file is run for the one that the settings name, and with which options: what was chosen, or was forced.

Looks into the data folder first, then into the cache that all data folders share. Makes a file only when its
quantisation is forced; what is chosen was made by the tuning.
"""

import shlex
from pathlib import Path

import msgspec
import structlog

from contract.errors import DocQAError, SettingsError
from inference_worker.llama.binding.library import QUANTIZATIONS, library_version, quantize
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.choice import AS_IS, Choice
from inference_worker.model_files.locate import bundled_model, locate_model
from inference_worker.model_files.machine import Machine, this_machine
from inference_worker.model_files.quantized import ModelFolder
from inference_worker.settings import WorkerSettings

AUTO = "auto"

log = structlog.get_logger(__name__)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is opened. `hint` is a sentence for the operator on how to make it faster; may be empty."""

    path: Path
    name: str
    """What answers say. A made file has the name of the first file that it was made of; the given one may be a copy."""
    options: RunOptions
    hint: str = ""
    questions_per_s: float = 0.0
    """As measured by the tuning, eight at a time; 0 where it was not."""


def plan_model(settings: WorkerSettings) -> Plan:
    """Find, or make, what is run. Raises SettingsError."""
    wanted = wanted_quantization(settings)
    given = locate_model(settings.model_path, settings.model_name)
    roots = (settings.data_dir / "models", settings.model_cache)
    folders = [ModelFolder(root, given, library_version()) for root in roots]
    for folder in folders:
        folder.clear_leftovers()
    machine = this_machine(settings.gpu_layers)
    if wanted == AUTO:
        plan = _chosen(given, folders, machine) or _untuned(given, machine, settings)
    else:
        path = given if wanted == AS_IS else _forced(wanted, folders)
        plan = Plan(path=path, name=_name(given, wanted), options=_options_for(wanted, folders, machine))
    return _with_settings(plan, settings)


def wanted_quantization(settings: WorkerSettings) -> str:
    """AUTO, AS_IS or one that a file can be turned into; raises SettingsError for any other."""
    wanted = settings.model_quantization
    if wanted not in (AUTO, AS_IS, *QUANTIZATIONS):
        known = ", ".join((AUTO, AS_IS, *QUANTIZATIONS))
        raise SettingsError(f"MODEL_QUANTIZATION: {wanted} is not known; there are {known}.")
    return wanted


def _chosen(given: Path, folders: list[ModelFolder], machine: Machine) -> Plan | None:
    """The choice whose file is there."""
    for folder in folders:
        if choice := folder.choice_for(machine):
            quantization = choice.chosen.quantization
            path = given if quantization == AS_IS else folder.made(quantization)
            if path:
                return Plan(
                    path=path,
                    name=_name(given, quantization),
                    options=choice.chosen.options,
                    questions_per_s=choice.questions_per_s,
                )
            log.warning("the tuned file is missing or damaged", model=given.name, quantization=quantization)
    return None


def _untuned(given: Path, machine: Machine, settings: WorkerSettings) -> Plan:
    hint = _hint(given, is_tuned_when_idle=settings.tune == "idle")
    return Plan(path=given, name=given.stem, options=default_options(machine), hint=hint)


def _name(given: Path, quantization: str) -> str:
    return given.stem if quantization == AS_IS else f"{given.stem}-as-{quantization}"


def _hint(given: Path, *, is_tuned_when_idle: bool) -> str:
    named = "" if given == bundled_model() else f" --model {shlex.quote(str(given))}"
    tunes = f"`docqa models tune{named}`"
    way_out = (
        f"it is tuned while the worker is idle; {tunes} does it now." if is_tuned_when_idle else f"{tunes} tunes it."
    )
    return f"{given.name} was not measured on this machine yet and runs as it is: {way_out}"


def _forced(quantization: str, folders: list[ModelFolder]) -> Path:
    for folder in folders:
        if path := folder.made(quantization):
            return path
    shared = folders[-1]
    log.info("making the file that MODEL_QUANTIZATION names, once", quantization=quantization, folder=str(shared.path))
    try:
        return shared.make(quantization, quantize)
    except OSError as error:
        raise SettingsError(f"DOCQA_MODEL_CACHE: can't write into {shared.path}: {error.strerror}.") from None
    except DocQAError as error:
        raise SettingsError(f"MODEL_QUANTIZATION: {error} The log says why; set it to `as-is`.") from None


def _options_for(quantization: str, folders: list[ModelFolder], machine: Machine) -> RunOptions:
    choices: list[Choice] = [choice for folder in folders if (choice := folder.choice_for(machine))]
    return choices[0].options_for(quantization) if choices else default_options(machine)


def default_options(machine: Machine) -> RunOptions:
    """Options that do well on most machines, where nothing was measured."""
    return RunOptions(threads=machine.cores, gpu_layers=machine.gpu_layers)


def _with_settings(plan: Plan, settings: WorkerSettings) -> Plan:
    """DOCQA_THREADS overrides the measured number of threads."""
    if not settings.threads:
        return plan
    options = msgspec.structs.replace(plan.options, threads=settings.threads)
    return msgspec.structs.replace(plan, options=options)
