"""Reports the memory that the worker takes with its settings.

For `docqa preflight`. Reads the settings and the model's header, and has llama.cpp load its vocabulary, no weights.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from contract import settings
from contract.runtime import logs
from contract.runtime.resources import available_cores, free_bytes
from contract.worker_tools import MemoryNeed
from inference_worker.llama.binding.library import library_version
from inference_worker.llama.binding.weights import check_vocabulary
from inference_worker.llama.kv_size import Shape, row_tokens
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files import gguf_header, soundness
from inference_worker.model_files.choice import AS_IS
from inference_worker.model_files.locate import locate_model
from inference_worker.model_files.machine import cpu_flags, this_machine
from inference_worker.model_files.parts import size_of
from inference_worker.model_files.plan import AUTO, default_options, wanted_quantization
from inference_worker.model_files.quantized import ModelFolder
from inference_worker.model_files.shape import shape_in
from inference_worker.settings import WorkerSettings
from inference_worker.tools.report import reply

PROCESS_BYTES: Final = 120 * 2**20
"""Python, its libraries and llama.cpp, with no model. docs/deployment.md compares the sum with what was measured."""

_FLOAT_BYTES: Final = 4


def main() -> int:
    """Exit status 2 with a sentence when a setting can't be used."""
    parser = argparse.ArgumentParser(prog="python -m inference_worker.tools.memory_need", description=__doc__)
    parser.add_argument("--free-bytes", type=int, help="memory that the worker may count on [default: what is free]")
    arguments = parser.parse_args()
    logs.configure("development", "memory-need")  # stdout is for the reply
    return reply(lambda: _checked(settings.load(WorkerSettings, os.environ), arguments.free_bytes or free_bytes()))


def _checked(loaded: WorkerSettings, room_bytes: int) -> MemoryNeed:
    need = needed(loaded, room_bytes)
    check_start(loaded)
    return need


def check_start(loaded: WorkerSettings) -> None:
    """Raises the SettingsError with which a start would refuse the model."""
    if loaded.engine == "llama" and loaded.enable_local_model:
        given = locate_model(loaded.model_path, loaded.model_name)
        soundness.check(given)
        check_vocabulary(given)


def needed(loaded: WorkerSettings, room_bytes: int) -> MemoryNeed:
    """The memory of a worker with these settings; raises SettingsError."""
    base = MemoryNeed(
        engine=loaded.engine,
        slots=loaded.slots,
        cores=available_cores(),
        threads=loaded.threads or available_cores(),
        cpu_flags=cpu_flags(),
        process_bytes=PROCESS_BYTES,
    )
    if loaded.engine == "echo" or not loaded.enable_local_model:
        return _summed(base)
    given = locate_model(loaded.model_path, loaded.model_name)
    runs_as, path, options = _way(given, loaded)
    base = msgspec.structs.replace(
        base,
        model=given.name,
        path=str(path or given),
        runs_as=runs_as,
        is_made=path is not None,
        file_bytes=size_of(path or given),
        threads=loaded.threads or options.threads,
        prefix_cache_bytes=loaded.prefix_cache_mb * 1_000_000,
    )
    shape = shape_in(given)
    return with_rows(base, shape, options, _vocabulary(given), loaded, room_bytes) if shape else _summed(base)


def _vocabulary(path: Path) -> int:
    return gguf_header.arrays(path).get("tokenizer.ggml.tokens", (0, None))[0]


def with_rows(
    need: MemoryNeed, shape: Shape, options: RunOptions, vocabulary: int, loaded: WorkerSettings, room_bytes: int
) -> MemoryNeed:
    """The need with what the rows of a model of this shape take, and a step over them."""
    tokens = row_tokens(shape, loaded.slots, loaded.context_tokens, room_bytes)
    # A step holds the logits of all its tokens, and without flash attention what each head sees of its row.
    seen = 0 if options.flash_attention else shape.heads * tokens
    found = msgspec.structs.replace(
        need,
        context_tokens=tokens,
        cells_bytes=loaded.slots * tokens * shape.token_bytes,
        step_bytes=_FLOAT_BYTES * options.step_tokens * (vocabulary + seen),
    )
    return _summed(found)


def _summed(need: MemoryNeed) -> MemoryNeed:
    parts = (need.file_bytes, need.cells_bytes, need.step_bytes, need.prefix_cache_bytes, need.process_bytes)
    return msgspec.structs.replace(need, total_bytes=sum(parts))


def _way(given: Path, loaded: WorkerSettings) -> tuple[str, Path | None, RunOptions]:
    """The form that is run, its file if it is there, and how: as `plan` decides it, but makes nothing."""
    machine = this_machine(loaded.gpu_layers)
    folders = [ModelFolder(root, given, library_version()) for root in (loaded.data_dir / "models", loaded.model_cache)]
    choices = (folder.choice_for(machine) for folder in folders)
    choice = next((found for found in choices if found), None)
    wanted = wanted_quantization(loaded)
    if wanted == AUTO:
        chosen = choice.chosen.quantization if choice else AS_IS
        wanted = chosen if chosen == AS_IS or _made(chosen, folders) else AS_IS
    options = choice.options_for(wanted) if choice else default_options(machine)
    return wanted, given if wanted == AS_IS else _made(wanted, folders), options


def _made(quantization: str, folders: list[ModelFolder]) -> Path | None:
    return next((path for folder in folders if (path := folder.made(quantization))), None)


if __name__ == "__main__":
    sys.exit(main())
