"""A tuning that was broken off goes on where it ended."""

from pathlib import Path

import pytest

from contract.errors import EngineError
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.choice import Candidate, Speed
from inference_worker.tuning.journal import Journal
from inference_worker.tuning.trials import Measurement

FIRST = Candidate(quantization="q8_0", options=RunOptions(threads=2))
SECOND = Candidate(quantization="q6_k", options=RunOptions(threads=2))


class Bench:
    def __init__(self) -> None:
        self.runs: list[Candidate] = []

    def measure(self, candidate: Candidate) -> Measurement:
        self.runs.append(candidate)
        if candidate == SECOND:
            raise EngineError("The process ended with status -6.")
        speed = Speed(prefill_tokens_per_s=1.0, decode_tokens_per_s=1.0, mix_s=float(len(self.runs)))
        return Measurement(kl=0.006, speed=speed)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tuning.jsonl"


def broken_off(path: Path) -> Measurement:
    """What was measured before the end."""
    journal = Journal(path, Bench().measure)
    with pytest.raises(EngineError):
        journal.measure(SECOND)
    return journal.measure(FIRST)


def test_what_was_measured_is_given_again_and_not_measured(path: Path) -> None:
    former = broken_off(path)
    bench = Bench()
    journal = Journal(path, bench.measure)
    with pytest.raises(EngineError, match=r"^The process ended with status -6\.$"):
        journal.measure(SECOND)
    assert journal.measure(FIRST) == former
    assert not bench.runs
    journal.measure(FIRST)
    assert bench.runs == [FIRST]


def test_a_line_that_was_cut_off_is_measured_again(path: Path) -> None:
    broken_off(path)
    path.write_bytes(path.read_bytes()[:-10])
    for runs in (1, 0):
        bench = Bench()
        journal = Journal(path, bench.measure)
        with pytest.raises(EngineError):
            journal.measure(SECOND)
        journal.measure(FIRST)
        assert len(bench.runs) == runs


def test_what_another_search_asked_for_is_forgotten(path: Path) -> None:
    broken_off(path)
    bench = Bench()
    Journal(path, bench.measure).measure(FIRST)
    assert bench.runs == [FIRST]
    assert path.read_text().count("\n") == 1


def test_with_a_choice_nothing_is_kept(path: Path) -> None:
    broken_off(path)
    Journal(path, Bench().measure).end()
    assert not path.exists()
