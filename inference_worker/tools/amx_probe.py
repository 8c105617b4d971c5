"""Whether AMX works as it was compiled: `python -m inference_worker.tools.amx_probe FILE` exits with 0 if it does.

A process of its own, since kernels from a compiler that drops the stores of the tile configuration crash
(ggml-org/llama.cpp#26954). What they compute is held against what is computed without them.
"""

import contextlib
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from contract.runtime import logs
from inference_worker.llama.binding.model import Model
from inference_worker.llama.run_options import RunOptions
from inference_worker.tuning import quality

_TOKENS = 64


def main() -> int:
    """Exit status: 0 when both say the same, 1 when they don't; a signal's when it crashes."""
    logs.configure("development", "amx-probe")
    given = Path(sys.argv[1])
    expected = quality.log_probabilities(_logits(given, extra_buffers=False))
    return 0 if quality.mean_kl(expected, _logits(given, extra_buffers=True)) <= quality.GATE_KL else 1


def _logits(given: Path, *, extra_buffers: bool) -> npt.NDArray[np.float32]:
    options = RunOptions(threads=1, step_tokens=_TOKENS, extra_buffers=extra_buffers)
    with contextlib.closing(Model(given, options, 1, _TOKENS)) as model:
        tokens = model.vocabulary.begin_tokens() + model.vocabulary.tokenize(quality.TEXT, parse_special=False)
        return model.all_logits(tokens[:_TOKENS])


if __name__ == "__main__":
    sys.exit(main())
