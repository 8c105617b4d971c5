"""Runs one trial: a Trial as JSON on stdin, a Measurement or Failed on stdout.

`python -m inference_worker.tools.tuning_trial`: a process of its own, since llama.cpp aborts on some files and options.
"""

import contextlib
import sys

import msgspec
import numpy as np
import numpy.typing as npt

from contract.errors import DocQAError
from contract.runtime import logs
from inference_worker.llama.binding.library import quantize
from inference_worker.llama.binding.model import Model
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.amx import has_amx
from inference_worker.tools.background import end_with
from inference_worker.tuning import quality, workload
from inference_worker.tuning.trials import Failed, Measurement, Trial


def main() -> None:
    trial = Trial.from_json(sys.stdin.buffer.read())
    end_with(trial.parent_pid)
    logs.configure("development", "trial")  # stdout is for the reply
    reply: Measurement | Failed
    try:
        reply = run(trial)
    except (DocQAError, OSError) as error:
        reply = Failed(str(error))
    sys.stdout.buffer.write(msgspec.json.encode(reply))


def run(trial: Trial) -> Measurement:
    """Convert the file if necessary, compare it with the source, time it. Raises DocQAError or OSError."""
    if not trial.file.exists():
        part = trial.file.with_suffix(".part")
        quantize(trial.given, part, trial.candidate.quantization)
        part.replace(trial.file)
    if trial.measures_kl and not trial.reference.exists():
        _write_reference(trial)
    options = trial.candidate.options
    with contextlib.closing(Model(trial.file, options, workload.ROWS, workload.ROW_TOKENS)) as model:
        kl = quality.mean_kl(np.load(trial.reference, mmap_mode="r"), _logits(model)) if trial.measures_kl else None
        if kl is not None and kl > quality.GATE_KL:
            return Measurement(kl=kl)
        return Measurement(kl=kl, speed=workload.time_mix(model, options))


def _write_reference(trial: Trial) -> None:
    """Write the source file's log probabilities, evaluated with the usual options, whichever candidate comes first."""
    chosen = trial.candidate.options
    options = RunOptions(threads=chosen.threads, gpu_layers=chosen.gpu_layers, extra_buffers=not has_amx())
    with contextlib.closing(Model(trial.given, options, 1, workload.ROW_TOKENS)) as model:
        said = quality.log_probabilities(_logits(model))
    part = trial.reference.with_suffix(".part.npy")
    np.save(part, said)
    part.replace(trial.reference)


def _logits(model: Model) -> npt.NDArray[np.float32]:
    tokens = model.vocabulary.begin_tokens() + model.vocabulary.tokenize(quality.TEXT, parse_special=False)
    return model.all_logits(tokens[: quality.MOST_TOKENS])


if __name__ == "__main__":
    main()
