"""The divergence that decides whether a file still says what the given one says."""

import math

import numpy as np
import pytest

from inference_worker.tuning.quality import GATE_KL, log_probabilities, mean_kl


def logits_of(*probabilities: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.log(np.array([probabilities], np.float32))


def test_a_file_says_what_it_says_itself() -> None:
    logits = np.random.default_rng(0).normal(scale=5, size=(8, 1000)).astype(np.float32)
    assert mean_kl(log_probabilities(logits), logits) == pytest.approx(0, abs=1e-5)


def test_logits_that_differ_by_a_constant_say_the_same() -> None:
    logits = logits_of(0.5, 0.25, 0.25)
    assert mean_kl(log_probabilities(logits), logits + 7) == pytest.approx(0, abs=1e-5)


def test_it_is_the_divergence_of_kullback_and_leibler_in_nats() -> None:
    given, candidate = logits_of(0.5, 0.5), logits_of(0.9, 0.1)
    expected = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert mean_kl(log_probabilities(given), candidate) == pytest.approx(expected, rel=1e-3)
    assert expected > GATE_KL


def test_it_is_the_mean_over_all_positions() -> None:
    given = np.concatenate([logits_of(0.5, 0.5), logits_of(0.5, 0.5)])
    candidate = np.concatenate([logits_of(0.5, 0.5), logits_of(0.9, 0.1)])
    second = mean_kl(log_probabilities(given[1:]), candidate[1:])
    assert mean_kl(log_probabilities(given), candidate) == pytest.approx(second / 2, rel=1e-3)
