"""How much a converted file differs from its source: the divergence of their next-token distributions over a text.

The measure is that of llama.cpp's `perplexity --kl-divergence`: the mean over all positions of
KL(given ‖ candidate), in nats. Knows nothing of files or speed.
"""

from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

GATE_KL: Final = 0.02
"""More than this and the model is another one: of the bundled model's forms, Q8_0 (0.006) and Q6_K (0.014) pass, and
Q4_0 (0.33), the fastest, does not: its answers are visibly worse."""

TEXT: Final = (Path(__file__).parent / "quality.txt").read_text(encoding="utf-8")
"""Prose, a contract, a table, code and other languages: a quantization damages rare things first."""

MOST_TOKENS: Final = 512

LogProbabilities: TypeAlias = npt.NDArray[np.float16]
"""Positions by vocabulary. Half precision is finest near 0, where the likely tokens are."""


def log_probabilities(logits: npt.NDArray[np.float32]) -> LogProbabilities:
    """Log probabilities from `logits` (positions by vocabulary)."""
    return np.stack([_normalised(row).astype(np.float16) for row in logits])


def mean_kl(reference: LogProbabilities, logits: npt.NDArray[np.float32]) -> float:
    """The mean divergence of the candidate's `logits` from the reference, in nats; never negative."""
    return max(0.0, float(np.mean([_kl(expected, row) for expected, row in zip(reference, logits, strict=True)])))


def _kl(expected: LogProbabilities, logits: npt.NDArray[np.float32]) -> float:
    said = _normalised(expected.astype(np.float32))
    return float(np.sum(np.exp(said) * (said - _normalised(logits)), dtype=np.float64))


def _normalised(row: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    shifted = row - row.max()
    normalised: npt.NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(dtype=np.float64)).astype(np.float32)
    return normalised
